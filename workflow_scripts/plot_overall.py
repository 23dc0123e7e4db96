"""Draw the dashboard of a run's influence."""

import pandas as pd

from tracin.figures.overall import overall_dashboard
from tracin.figures.style import save
from tracin.results import read_classes, read_images
from tracin.runtime import start_log

start_log(snakemake.log[0])
inputs = snakemake.input
figure = overall_dashboard(
    read_images(inputs.predictions, inputs.manifest, inputs.classes),
    pd.read_parquet(inputs.topk),
    read_classes(inputs.classes),
    snakemake.params.classes,
)
save(figure, snakemake.output.figure, snakemake.output.svg)
