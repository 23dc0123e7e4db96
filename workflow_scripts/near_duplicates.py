"""List images that show nearly the same picture."""

import numpy as np
import pandas as pd

from tracin.files import write_csv, write_parquet
from tracin.near_duplicates import near_duplicates
from tracin.runtime import start_log

start_log(snakemake.log[0])
table = near_duplicates(
    np.load(snakemake.input.pixels, mmap_mode="r"),
    pd.read_parquet(snakemake.input.manifest),
    snakemake.params.bits,
)
write_parquet(table, snakemake.output.table)
write_csv(table, snakemake.output.csv)
