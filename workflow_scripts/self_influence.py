"""Influence of each training image on itself."""

import pandas as pd

from tracin.files import write_parquet
from tracin.influence import self_influence
from tracin.runtime import pick_device, start_log
from tracin.shards import by_slot

start_log(snakemake.log[0])
pick_device("cpu", snakemake.threads)
shards, size = list(snakemake.input.shards), snakemake.params.shards
groups = [shards[i : i + size] for i in range(0, len(shards), size)]
# Block by block: all of them at once might not fit into memory.
tables = [self_influence(by_slot(groups, block, size)) for block in range(size)]
write_parquet(pd.concat(tables, ignore_index=True), snakemake.output.table)
