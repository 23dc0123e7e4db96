"""List training images that look like no class."""

import json
from pathlib import Path

import pandas as pd

from tracin.files import write_csv, write_parquet
from tracin.label_errors.neighbours import read_neighbours
from tracin.label_errors.outliers import outliers
from tracin.runtime import start_log
from tracin.samples import read_samples

start_log(snakemake.log[0])
given = snakemake.input
train = read_samples(given.manifest, given.labels, "train")
classes = json.loads(Path(given.classes).read_text(encoding="utf-8"))
neighbours = read_neighbours(given.neighbours)
neighbours.check(train.ids)
table = outliers(neighbours, pd.read_parquet(given.manifest), train.labels, classes)
write_parquet(table, snakemake.output.table)
write_csv(table, snakemake.output.csv)
