"""Probabilities of each training image by the network that never saw it."""

import pandas as pd

from tracin.files import write_parquet
from tracin.label_errors.folds import assign_folds, out_of_fold
from tracin.label_errors.views import read_views
from tracin.runtime import start_log

start_log(snakemake.log[0])
labels = pd.read_parquet(snakemake.input.labels)
manifest = pd.read_parquet(snakemake.input.manifest)
fold = assign_folds(manifest, labels, snakemake.params.folds)
views = [read_views(path) for path in snakemake.input.views]
write_parquet(out_of_fold(fold, views), snakemake.output.table)
