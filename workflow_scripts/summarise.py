"""The one-page summary of a label set, as JSON, HTML and Markdown."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from tracin.files import write_json, write_text
from tracin.runtime import start_log
from tracin.summary import contradictions, render_html, render_markdown, summarise

start_log(snakemake.log[0])


def text(path: str | Path) -> str:
    return Path(path).read_text(encoding="utf-8")


inputs, output, seeds = snakemake.input, snakemake.output, snakemake.params.seeds
found = summarise(
    snakemake.wildcards.labels,
    {seed: json.loads(text(path)) for seed, path in zip(seeds, inputs.evaluations, strict=True)},
    dict(zip(seeds, map(pd.read_parquet, inputs.mispredictions), strict=True)),
    dict(zip(seeds, map(pd.read_parquet, inputs.appearances), strict=True)),
    json.loads(text(inputs.label_errors)),
    snakemake.params.reviewed["top_n"],
    contradictions(pd.read_parquet(inputs.manifest), pd.read_parquet(inputs.labels)),
)
templates = Path(__file__).parents[1] / "report"
pixels = np.load(inputs.pixels, mmap_mode="r")
write_text(render_html(text(templates / "summary.html.jinja"), found, pixels), output.html)
write_text(render_markdown(text(templates / "summary.md.jinja"), found), output.markdown)
write_json(found, output.json)
