"""The estimate as a table to read."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from tracin.planning.costs import Costs, Data
from tracin.planning.plan import Job
from tracin.planning.rates import Rates
from tracin.units import duration, size

RATES = {
    "train": "training {:,.0f} images/s",
    "forward": "passes {:,.0f} images/s",
    "gradients": "gradients {:,.0f} images/s",
    "augment": "augmentation {:,.0f} images/s on a core",
    "decode": "decoding {:,.0f} images/s on a core",
    "pairs": "tiles {:.2g} pairs/s",
}


def estimate(jobs: Sequence[Job], costs: Costs) -> pd.DataFrame:
    """What each rule of a plan takes, in the order of the plan.

    Returns:
        Columns rule, jobs, seconds (of all jobs), gpu_seconds; bytes: disk (of all), scratch (of
        one job), memory and gpu_memory (of the largest job).
    """
    rows = []
    for job in jobs:
        cost, idle = costs.of(job), costs.rates["idle"]
        seconds = costs.rates["start"] + cost.seconds
        rows.append(
            {
                "rule": job.rule,
                "jobs": 1,
                "seconds": seconds,
                "gpu_seconds": seconds * job.gpus,
                "disk": cost.disk,
                "scratch": cost.scratch,
                "memory": idle + cost.host + (0.0 if job.gpus else cost.device),
                "gpu_memory": cost.device if job.gpus else 0.0,
            }
        )
    summed = ("jobs", "seconds", "gpu_seconds", "disk")
    how = {name: "sum" if name in summed else "max" for name in rows[0] if name != "rule"}
    return pd.DataFrame(rows).groupby("rule", sort=False, as_index=False).agg(how)


def text(table: pd.DataFrame, data: Data, counted: str, rates: Rates) -> str:
    """The estimate for a person: images, rates, a row per rule, and the sums."""
    lines = _columns(table)
    splits = ", ".join(f"{count:,} {split}" for split, count in data.splits.items())
    known = ", ".join(words.format(rates[name]) for name, words in RATES.items())
    memory, scratch = table.set_index("rule")["memory"], table["scratch"].max()
    gpu_hours = table["gpu_seconds"].sum() / 3600
    return "\n".join(
        [
            f"{data.images:,} images ({splits}) of {data.classes} classes, {counted}",
            f"rates: {known}; {rates['start']:.1f} s to start a job",
            "",
            *lines,
            "",
            f"jobs: {table['jobs'].sum():,}, one after the other "
            + duration(table["seconds"].sum()),
            f"GPU hours: {gpu_hours:,.2f}",
            f"disk: {size(table['disk'].sum())}"
            + (f", and {size(scratch)} while a run trains" if scratch else ""),
            f"peak memory of a job: {size(memory.max())} ({memory.idxmax()})",
            "",
            "Training is counted with all its epochs; early stopping ends it sooner.",
        ]
    )


def _columns(table: pd.DataFrame) -> list[str]:
    """A line for the headings and one for each rule, in columns."""
    rows = [["rule", "jobs", "time", "GPU time", "disk", "memory", "GPU memory"]] + [
        [
            row["rule"],
            f"{row['jobs']:,}",
            duration(row["seconds"]),
            duration(row["gpu_seconds"]),
            size(row["disk"]),
            size(row["memory"]),
            size(row["gpu_memory"]),
        ]
        for row in table.to_dict("records")
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip()
        for row in rows
    ]
