"""Where the time and the memory of a run went, rule by rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from jinja2 import Environment, StrictUndefined

from tracin.units import duration, size, whole_percent


def timing_table(files: Mapping[str, Sequence[Path | str]]) -> pd.DataFrame:
    """Sum up Snakemake's benchmark files, given by rule; the rules that took longest come first.

    Returns:
        Columns rule, jobs, seconds (of all jobs, one after the other), share (of all rules),
        longest_seconds (the longest job), cpu_seconds, peak_memory_mb (of the largest job, in
        2^20 bytes). The last two miss jobs of less than half a second, which Snakemake can't see.
    """
    read = {
        rule: pd.concat([pd.read_csv(path, sep="\t", na_values="-") for path in paths])
        for rule, paths in files.items()
        if paths
    }
    rows = [
        {
            "rule": rule,
            "jobs": len(jobs),
            "seconds": jobs["s"].sum(),
            "longest_seconds": jobs["s"].max(),
            "cpu_seconds": jobs["cpu_time"].sum(),
            "peak_memory_mb": jobs["max_rss"].max(),
        }
        for rule, jobs in read.items()
    ]
    table = pd.DataFrame(rows).sort_values("seconds", ascending=False, ignore_index=True)
    share = table["seconds"] / table["seconds"].sum()
    table.insert(3, "share", share.round(4))
    return table.round({"seconds": 1, "longest_seconds": 1, "cpu_seconds": 1, "peak_memory_mb": 0})


def render_timings(template: str, label_set: str, table: pd.DataFrame) -> str:
    """The table of `timing_table` as a page."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.globals |= {"duration": duration, "size": size, "whole_percent": whole_percent}
    page = environment.from_string(template)
    return page.render(label_set=label_set, rows=table.to_dict("records"))
