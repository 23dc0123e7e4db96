"""Write the data set's own labels as the label set 'original'."""

import json
from pathlib import Path

import pandas as pd

from tracin.files import write_parquet
from tracin.runtime import start_log

job = snakemake
start_log(job.log[0])
manifest = pd.read_parquet(job.input.manifest, columns=["sample_id", "label"])
classes = json.loads(Path(job.input.classes).read_text(encoding="utf-8"))
codes = {name: code for code, name in enumerate(classes)}
frame = pd.DataFrame(
    {
        "sample_id": manifest["sample_id"].astype("int64"),
        "label_index": manifest["label"].map(codes).astype("int16"),
        "keep": True,
    }
)
write_parquet(frame, job.output.labels)
