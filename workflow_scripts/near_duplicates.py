"""List images that show nearly the same picture."""

import pandas as pd

from tracin.files import write_csv, write_parquet
from tracin.images import open_pixels
from tracin.near_duplicates import near_duplicates
from tracin.runtime import start_log

start_log(snakemake.log[0])
table = near_duplicates(
    open_pixels(snakemake.input.pixels),
    pd.read_parquet(snakemake.input.manifest),
    snakemake.params.bits,
)
write_parquet(table, snakemake.output.table)
write_csv(table, snakemake.output.csv)
