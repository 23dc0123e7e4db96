"""Rank the training images by how likely their label is wrong."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from tracin.files import write_csv, write_json, write_parquet
from tracin.label_errors.estimate import estimate, expected_precision, known_right
from tracin.label_errors.suspects import (
    LISTS,
    averaged,
    scores_of,
    shares_of,
    suspect_table,
)
from tracin.label_errors.views import read_views, together
from tracin.runtime import start_log
from tracin.samples import read_samples

start_log(snakemake.log[0])
given, output = snakemake.input, snakemake.output
classes = json.loads(Path(given.classes).read_text(encoding="utf-8"))
joined = averaged([pd.read_parquet(path) for path in given.signals])
val = read_samples(given.manifest, given.labels, "val")
held_out = together([read_views(path).only(val.ids) for path in [*given.views, *given.others]])
before = pd.read_parquet(given.before).set_index("sample_id")["label_index"]
shares = shares_of(joined, before.loc[joined["train_id"]].to_numpy(np.int64), held_out, val.labels)
decided = [pd.read_parquet(path, columns=["sample_id"]) for path in given.corrections]
reviewed = joined["train_id"].isin(pd.concat(decided)["sample_id"] if decided else []).to_numpy()
labels = joined["label_index"].to_numpy(np.int64)
shares = known_right(shares, scores_of(joined, shares), labels, reviewed)
found = estimate(shares, len(joined), expected_precision(shares, held_out, val.labels), classes)
manifest = pd.read_parquet(given.manifest, columns=["sample_id", "path"])
table = suspect_table(joined, shares, manifest, classes, found["suggested_cut"], reviewed)
write_parquet(table, output.table)
write_csv(table.drop(columns=LISTS), output.csv)
write_json(found, output.estimate)
