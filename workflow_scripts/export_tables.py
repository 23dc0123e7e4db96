"""A manifest for training elsewhere, and label issues as cleanlab names them."""

import json
from pathlib import Path

import pandas as pd

from tracin.files import write_csv, write_parquet
from tracin.review.exports import kept_images, label_issues
from tracin.runtime import start_log

start_log(snakemake.log[0])
given = snakemake.input
classes = json.loads(Path(given.classes).read_text(encoding="utf-8"))
kept = kept_images(pd.read_parquet(given.manifest), pd.read_parquet(given.labels), classes)
write_parquet(kept.drop(columns="sample_id"), snakemake.output.manifest)
write_csv(kept.drop(columns="sample_id"), snakemake.output.csv)
write_csv(label_issues(pd.read_parquet(given.suspects)), snakemake.output.issues)
