"""Predictions of the best weights for every image."""

import pandas as pd

from tracin.checkpoints import load_checkpoint
from tracin.files import write_parquet
from tracin.images import open_pixels
from tracin.inference import predict
from tracin.runtime import pick_device, start_log
from tracin.samples import read_samples

start_log(snakemake.log[0])
device = pick_device(snakemake.resources.device, snakemake.threads)
model, facts = load_checkpoint(snakemake.input.best)
samples = read_samples(snakemake.input.manifest, snakemake.input.labels, split=None)
pixels, batch_size = open_pixels(snakemake.input.pixels), snakemake.resources.batch_size
table = predict(model, pixels, samples, facts.input_size, batch_size, device)
splits = pd.read_parquet(snakemake.input.manifest, columns=["split"])["split"]
table.insert(1, "split", splits.to_numpy())
write_parquet(table, snakemake.output.table)
