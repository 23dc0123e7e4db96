"""The kept images as a folder tree."""

import json
from pathlib import Path

import pandas as pd

from tracin.review.exports import export_tree, kept_images
from tracin.runtime import start_log

start_log(snakemake.log[0])
given = snakemake.input
classes = json.loads(Path(given.classes).read_text(encoding="utf-8"))
kept = kept_images(pd.read_parquet(given.manifest), pd.read_parquet(given.labels), classes)
root, folder = Path(snakemake.params.root), Path(snakemake.output.folder)
print(export_tree(kept, root, folder, snakemake.params.kind), "images in", folder)
