"""Draw test mistakes beside the training images that influenced them."""

import numpy as np
import pandas as pd

from tracin.figures.mistakes import explained_mistakes
from tracin.figures.style import save
from tracin.runtime import start_log

start_log(snakemake.log[0])
save(
    explained_mistakes(
        pd.read_parquet(snakemake.input.mispredictions),
        pd.read_parquet(snakemake.input.topk),
        pd.read_parquet(snakemake.input.manifest),
        np.load(snakemake.input.pixels, mmap_mode="r"),
        snakemake.params.counts["mistakes"],
        snakemake.params.counts["per_mistake"],
    ),
    snakemake.output.figure,
)
