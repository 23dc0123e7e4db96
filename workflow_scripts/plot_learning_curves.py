"""Draw the learning curves."""

import pandas as pd

from tracin.figures.learning import learning_curves
from tracin.figures.style import save
from tracin.runtime import start_log

start_log(snakemake.log[0])
save(
    learning_curves(pd.read_parquet(snakemake.input.training)),
    snakemake.output.figure,
    snakemake.output.svg,
)
