"""Merge the tiles of one block of test images."""

import pandas as pd

from tracin.files import write_parquet
from tracin.runtime import start_log
from tracin.topk import merge_topk

start_log(snakemake.log[0])
tables = (pd.read_parquet(path) for path in snakemake.input.tiles)
write_parquet(merge_topk(tables, snakemake.params.top_k), snakemake.output.merged)
