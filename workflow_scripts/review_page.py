"""The review page of a label set."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from tracin.files import atomic_path
from tracin.review.page import ReviewData, review_page
from tracin.runtime import start_log

start_log(snakemake.log[0])
given = snakemake.input
corrections = [pd.read_parquet(path) for path in given.corrections]
data = ReviewData(
    name=snakemake.wildcards.labels,
    classes=json.loads(Path(given.classes).read_text(encoding="utf-8")),
    manifest=pd.read_parquet(given.manifest),
    labels=pd.read_parquet(given.labels),
    suspects=pd.read_parquet(given.suspects),
    estimate=json.loads(Path(given.estimate).read_text(encoding="utf-8")),
    mispredictions=pd.concat([pd.read_parquet(path) for path in given.mispredictions]),
    topk=pd.concat([pd.read_parquet(path) for path in given.topk]),
    pixels=np.load(given.pixels, mmap_mode="r"),
    corrections=pd.concat(corrections) if corrections else pd.DataFrame(),
)
page = review_page(data, snakemake.params.top_n, snakemake.threads)
with atomic_path(snakemake.output.page) as temporary:
    temporary.write_text(page, encoding="utf-8")
print(f"{snakemake.output.page}: {len(page) / 1e6:.1f} MB")
