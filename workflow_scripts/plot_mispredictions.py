"""Draw the most confident test mistakes."""

import numpy as np
import pandas as pd

from tracin.figures.grids import mispredictions_grid
from tracin.figures.style import save
from tracin.runtime import start_log

start_log(snakemake.log[0])
save(
    mispredictions_grid(
        pd.read_parquet(snakemake.input.mispredictions),
        np.load(snakemake.input.pixels, mmap_mode="r"),
        snakemake.params.images,
    ),
    snakemake.output.figure,
)
