"""Accuracy, loss, per-class report and confusion matrix of the test split."""

import json
from pathlib import Path

import pandas as pd

from tracin.files import write_json
from tracin.mistakes import evaluation
from tracin.runtime import start_log

start_log(snakemake.log[0])
classes = json.loads(Path(snakemake.input.classes).read_text(encoding="utf-8"))
result = evaluation(pd.read_parquet(snakemake.input.predictions), classes)
result["planted_noise"] = snakemake.params.planted
write_json(result, snakemake.output.evaluation)
