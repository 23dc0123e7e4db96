"""Every wrong prediction, as Parquet and as the CSV people open."""

import json
from pathlib import Path

import pandas as pd

from tracin.files import write_csv, write_parquet
from tracin.mistakes import mispredictions
from tracin.runtime import start_log

start_log(snakemake.log[0])
classes = json.loads(Path(snakemake.input.classes).read_text(encoding="utf-8"))
predictions = pd.read_parquet(snakemake.input.predictions)
labels = pd.read_parquet(snakemake.input.labels).set_index("sample_id")
# What a review removed is no mistake of the model.
kept = predictions[labels["keep"].loc[predictions["sample_id"]].to_numpy()]
table = mispredictions(kept, pd.read_parquet(snakemake.input.manifest), classes)
write_parquet(table, snakemake.output.table)
headings = {
    "path": "Image Path",
    "label": "True Label",
    "predicted": "Predicted Label",
    "confidence": "Confidence",
    "top3": "Top-3 Predictions",
    "split": "Split",
}
write_csv(table[list(headings)].rename(columns=headings), snakemake.output.csv)
