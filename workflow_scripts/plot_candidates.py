"""Draw the training labels most likely wrong."""

import numpy as np
import pandas as pd

from tracin.figures.galleries import mislabeled_candidates
from tracin.figures.style import save
from tracin.runtime import start_log

start_log(snakemake.log[0])
manifest = pd.read_parquet(snakemake.input.manifest, columns=["sample_id", "true_label"])
save(
    mislabeled_candidates(
        pd.read_parquet(snakemake.input.suspects),
        manifest.set_index("sample_id")["true_label"],
        np.load(snakemake.input.pixels, mmap_mode="r"),
        snakemake.params.images,
    ),
    snakemake.output.figure,
)
