"""Accuracy, loss, per-class report and confusion matrix of the test split."""

import pandas as pd

from tracin.files import write_json
from tracin.mistakes import evaluation
from tracin.results import read_classes
from tracin.runtime import start_log

start_log(snakemake.log[0])
classes = read_classes(snakemake.input.classes)
result = evaluation(pd.read_parquet(snakemake.input.predictions), classes)
result["planted_noise"] = snakemake.params.planted
write_json(result, snakemake.output.evaluation)
