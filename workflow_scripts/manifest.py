"""Split the data set and plant label noise."""

import pandas as pd

from tracin.files import write_csv, write_json, write_parquet
from tracin.runtime import start_log
from tracin.splitting import build_manifest

job = snakemake
start_log(job.log[0])
manifest, classes, conflicts = build_manifest(
    pd.read_parquet(job.input.images),
    **job.params.settings,
)
write_parquet(manifest, job.output.manifest)
write_json(classes, job.output.classes)
write_csv(conflicts, job.output.conflicts)
