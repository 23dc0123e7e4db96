"""The jobs of a plan, as Snakemake's dry run prints them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

RULE = re.compile(r"^(?:local)?rule (\w+):$")
TARGETS = ("all", "corrected")


@dataclass
class Job:
    """A job of the plan."""

    rule: str
    wildcards: dict[str, str] = field(default_factory=dict)
    gpus: int = 0


def read_plan(text: str) -> list[Job]:
    """The jobs in what `snakemake -n` prints, but for target rules, which do nothing."""
    jobs: list[Job] = []
    for line in text.splitlines():
        name, _, values = line.strip().partition(": ")
        if begin := RULE.match(line.strip()):
            jobs.append(Job(begin[1]))
        elif jobs and name == "wildcards":
            jobs[-1].wildcards = _pairs(values)
        elif jobs and name == "resources":
            jobs[-1].gpus = int(_pairs(values).get("gpu", 0))
    return [job for job in jobs if job.rule not in TARGETS]


def _pairs(values: str) -> dict[str, str]:
    """`a=1, b=2` as a dictionary."""
    pairs = (part.partition("=") for part in values.split(", "))
    return {name: value for name, _, value in pairs}
