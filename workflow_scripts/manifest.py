"""Split the data set and plant label noise."""

from pathlib import Path

import pandas as pd

from tracin.files import write_csv, write_json, write_parquet
from tracin.runtime import start_log
from tracin.splitting import build_manifest, split_faults

job = snakemake
start_log(job.log[0])
images = pd.read_parquet(job.input.images)
# Snakemake deletes the outputs of a job that fails; what lies beside its log stays.
write_csv(split_faults(images), Path(job.log[0]).with_name("split_faults.csv"))
manifest, classes, conflicts = build_manifest(images, **job.params.settings)
write_parquet(manifest, job.output.manifest)
write_json(classes, job.output.classes)
write_csv(conflicts, job.output.conflicts)
