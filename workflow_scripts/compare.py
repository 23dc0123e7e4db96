"""Before and after the corrections: tables, figure and the verdict in words."""

import json
from pathlib import Path

import pandas as pd

from tracin.figures.comparison import comparison_figure
from tracin.figures.style import save
from tracin.files import atomic_path, write_csv, write_parquet
from tracin.review.comparison import (
    changed_images,
    compare,
    corrections_and_changes,
    judge,
    pair_up,
    summary,
)
from tracin.runtime import start_log

start_log(snakemake.log[0])
given, output, seeds = snakemake.input, snakemake.output, snakemake.params.seeds
classes = json.loads(Path(given.classes).read_text(encoding="utf-8"))
read = pd.read_parquet
pairs = [
    pair_up(seed, read(before), read(after))
    for seed, before, after in zip(seeds, given.before, given.after, strict=True)
]
corrections, table, verdict = read(given.corrections), compare(pairs, classes), judge(pairs)
changes = changed_images(pairs, read(given.manifest), classes)
topk = {seed: read(path) for seed, path in zip(seeds, given.topk, strict=True)}
moved = corrections_and_changes(changes, topk, corrections)
write_parquet(table, output.table)
for frame, path in ((table, output.csv), (changes, output.changes), (moved, output.moved)):
    write_csv(frame, path)
with atomic_path(output.summary) as temporary:
    temporary.write_text(summary(verdict, pairs, corrections), encoding="utf-8")
save(comparison_figure(table, verdict), output.figure)
