"""Influence of each training image on itself."""

from tracin.files import write_parquet
from tracin.influence import self_influence
from tracin.runtime import pick_device, start_log
from tracin.shards import by_slot

start_log(snakemake.log[0])
pick_device("cpu", snakemake.threads)
shards, size = list(snakemake.input.shards), snakemake.params.shards
groups = [shards[i : i + size] for i in range(0, len(shards), size)]
write_parquet(self_influence(by_slot(groups)), snakemake.output.table)
