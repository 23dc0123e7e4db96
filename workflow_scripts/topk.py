"""One table of all blocks, and the arrays and CSV made of it."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from tracin.files import atomic_path, write_csv, write_parquet
from tracin.runtime import start_log
from tracin.topk import as_arrays, with_classes

start_log(snakemake.log[0])
topk = pd.concat([pd.read_parquet(p) for p in snakemake.input.merged], ignore_index=True)
classes = json.loads(Path(snakemake.input.classes).read_text(encoding="utf-8"))
topk = with_classes(topk, pd.read_parquet(snakemake.input.predictions), classes)
write_parquet(topk, snakemake.output.topk)
names = (snakemake.output.scores, snakemake.output.indices)
for path, array in zip(names, as_arrays(topk), strict=True):
    with atomic_path(path) as temporary:
        np.save(temporary, array)
paths = pd.read_parquet(snakemake.input.manifest, columns=["sample_id", "path"])
paths = paths.set_index("sample_id")["path"]
topk.insert(1, "test_path", topk["test_id"].map(paths))
topk.insert(5, "train_path", topk["train_id"].map(paths))
write_csv(topk, snakemake.output.csv)
