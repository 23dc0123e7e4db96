"""Timing that stands a busy machine, and the table and JSON that every benchmark leaves."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from tracin.files import write_json

FOLDER = Path("results/benchmarks")
Work = Callable[[], Any]


def interleaved(works: dict[str, Work], rounds: int) -> tuple[dict[str, float], dict[str, Any]]:
    """Best seconds of several works, which take turns, and what each returned last.

    The best of several is the least disturbed; turns share out what disturbs for long.
    """
    best = dict.fromkeys(works, float("inf"))
    results: dict[str, Any] = {}
    for turn in range(rounds):
        for name, work in works.items():
            print(f"  {turn + 1}/{rounds} {name}", file=sys.stderr, flush=True)
            start = time.perf_counter()
            results[name] = work()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            best[name] = min(best[name], time.perf_counter() - start)
    return best, results


@contextmanager
def quiet() -> Any:
    """Hide progress bars."""
    with open(os.devnull, "w", encoding="utf-8") as null:
        before, sys.stderr = sys.stderr, null
        try:
            yield
        finally:
            sys.stderr = before


def machine() -> dict[str, Any]:
    """What the numbers were measured on, and how busy it was with other work."""
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else _processor()
    load = os.getloadavg()[1]
    return {
        "device": name,
        "cores": len(os.sched_getaffinity(0)),
        "threads": torch.get_num_threads(),
        "load_five_minutes": round(load, 1),
        "torch": torch.__version__,
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def report(name: str, rows: Sequence[dict[str, Any]], ratio: float | None, **facts: Any) -> None:
    """Print the rows as a table, and write them with the headline figure under `ratio`."""
    facts = {"ratio": ratio, **facts, "machine": machine(), "rows": list(rows)}
    with pd.option_context("display.width", 160, "display.max_columns", 20):
        print(pd.DataFrame(rows).to_string(index=False, na_rep=""))
    print(*(f"{key}: {value}" for key, value in facts.items() if key != "rows"), sep="\n")
    if facts["machine"]["load_five_minutes"] > 1.5 * facts["machine"]["cores"]:
        print("Others' work ran on this machine: absolute times are too long.")
    write_json(facts, FOLDER / f"{name}.json")
