"""Draw how fast wrong training labels are found."""

import pandas as pd

from tracin.figures.recall import errors_in_order, recall_curves
from tracin.figures.style import save, sentence
from tracin.runtime import start_log

start_log(snakemake.log[0])
curves = errors_in_order(
    pd.read_parquet(snakemake.input.suspects), pd.read_parquet(snakemake.input.manifest)
)
if curves:
    wrong = next(iter(curves.values())).sum()
    note = f"{wrong:,} planted wrong labels" if snakemake.params.planted > 0 else ""
    figure = recall_curves(curves, note)
else:
    figure = sentence(
        "The true labels are not known, so how many wrong labels a ranking would find cannot be "
        "measured."
    )
save(figure, snakemake.output.figure, snakemake.output.svg)
