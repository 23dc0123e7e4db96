"""Gradient factors of one block of samples at one checkpoint."""

from tracin.gradients import extract_factors, save_shard
from tracin.images import open_pixels
from tracin.runtime import pick_device, start_log
from tracin.samples import block_rows, read_samples

start_log(snakemake.log[0])
device = pick_device(snakemake.resources.device, snakemake.threads)
given, wildcards = snakemake.input, snakemake.wildcards
samples = read_samples(given.manifest, given.labels, wildcards.split)
rows = block_rows(len(samples), int(wildcards.block), snakemake.params.blocks)
pixels, batch_size = open_pixels(given.pixels), snakemake.resources.batch_size
factors, rate = extract_factors(given.checkpoint, pixels, samples.slice(rows), batch_size, device)
save_shard(factors, rows, len(samples), rate, snakemake.output.shard)
