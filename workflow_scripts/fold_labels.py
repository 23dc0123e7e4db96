"""A label set without the images of one fold."""

import pandas as pd

from tracin.files import write_parquet
from tracin.label_errors.folds import assign_folds, hold_out
from tracin.runtime import start_log

start_log(snakemake.log[0])
labels = pd.read_parquet(snakemake.input.labels)
manifest = pd.read_parquet(snakemake.input.manifest)
fold = assign_folds(manifest, labels, snakemake.params.folds)
write_parquet(hold_out(labels, fold, int(snakemake.wildcards.fold)), snakemake.output.labels)
