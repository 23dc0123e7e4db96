"""Gradient factors of one block of samples at one checkpoint."""

import torch

from tracin.errors import UserError
from tracin.gradients import Beyond, extract_factors
from tracin.images import open_pixels
from tracin.runtime import pick_device, start_log
from tracin.samples import block_rows, read_samples
from tracin.shards import save_shard

start_log(snakemake.log[0])
device = pick_device(snakemake.resources.device, snakemake.threads)
given, wildcards, params = snakemake.input, snakemake.wildcards, snakemake.params
samples = read_samples(given.manifest, given.labels, wildcards.split)
rows = block_rows(len(samples), int(wildcards.block), params.blocks)
if rows.start == rows.stop:
    raise UserError(
        f"influence.shards.{wildcards.split} is {params.blocks}, but that split has only "
        f"{len(samples)} images: copies and what is rejected or removed don't count. Lower it."
    )
pixels, batch_size = open_pixels(given.pixels), snakemake.resources.batch_size
factors, rate = extract_factors(
    given.checkpoint,
    pixels,
    samples.slice(rows),
    batch_size,
    device,
    Beyond(**params.beyond) if params.beyond else None,
    params.formats["precision"],
)
dtype = getattr(torch, params.formats["shards"])
save_shard(factors, rows, len(samples), rate, snakemake.output.shard, dtype)
