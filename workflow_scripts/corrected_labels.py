"""The label set 'corrected': the original labels after data/corrections.csv."""

import json
from pathlib import Path

import pandas as pd
import yaml

from tracin.files import write_parquet
from tracin.review.corrections import (
    apply_corrections,
    check_against,
    check_classes,
    corrections_table,
    read_corrections,
    with_copies,
)
from tracin.runtime import start_log

start_log(snakemake.log[0])
given = snakemake.input
classes = json.loads(Path(given.classes).read_text(encoding="utf-8"))
schemas = Path(__file__).parents[1] / "rules" / "schemas"
schema = yaml.safe_load((schemas / "corrections.schema.yaml").read_text(encoding="utf-8"))
manifest, labels = pd.read_parquet(given.manifest), pd.read_parquet(given.labels)
read = read_corrections(given.corrections, schema)
check_against(read, manifest, classes, given.corrections)
corrections = with_copies(read, manifest)
ids = check_against(corrections, manifest, classes, given.corrections)
corrected = apply_corrections(corrections, ids, labels, classes)
check_classes(corrected, labels, manifest, classes, given.corrections)
write_parquet(corrected, snakemake.output.labels)
write_parquet(corrections_table(corrections, ids), snakemake.output.corrections)
