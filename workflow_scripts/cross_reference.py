"""Mispredictions crossed with the training images behind them, as tables."""

import pandas as pd

from tracin.crossref import appearances, appearances_by_class, cross_analysis, influence_analysis
from tracin.files import write_tables
from tracin.results import read_images
from tracin.runtime import start_log

start_log(snakemake.log[0])
inputs, output = snakemake.input, snakemake.output
images = read_images(inputs.predictions, inputs.manifest, inputs.classes)
topk = pd.read_parquet(inputs.topk)
analysis = influence_analysis(images, topk)
write_tables(analysis, output.analysis, output.analysis_csv)
write_tables(cross_analysis(analysis, images), output.cross, output.cross_csv)
write_tables(appearances(images, topk), output.appearances, output.appearances_csv)
write_tables(appearances_by_class(images, topk), output.by_class, output.by_class_csv)
