"""Draw how fast wrong training labels are found by their loss."""

import pandas as pd

from tracin.figures.recall import errors_by_loss, recall_figure
from tracin.figures.style import save, sentence
from tracin.runtime import start_log

start_log(snakemake.log[0])
errors = errors_by_loss(
    pd.read_parquet(snakemake.input.predictions),
    pd.read_parquet(snakemake.input.manifest),
    pd.read_parquet(snakemake.input.labels),
)
if errors is None:
    figure = sentence(
        "The true labels are not known, so how many wrong labels a ranking by "
        "loss would find cannot be measured."
    )
else:
    planted = snakemake.params.planted > 0
    figure = recall_figure(errors, f"{errors.sum()} planted wrong labels" if planted else "")
save(figure, snakemake.output.figure, snakemake.output.svg)
