"""The ranking of suspects in hard cases, on the digits with planted wrong labels.

python -m benchmarks.robustness [case ...]

In each case the workflow runs to the list of suspects; the table compares the combination with the
best of its single signals. Writes results/benchmarks/robustness.json.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.label_error_rankings import signal_rankings
from benchmarks.label_error_scores import score_table
from benchmarks.workflow import SUSPECTS, run_workflow
from tracin.digits import write_digits
from tracin.files import write_csv, write_json
from tracin.listing import list_folder

CLASSES = [str(digit) for digit in range(10)]
NO_AUGMENTATION = {"crop_scale": [1.0, 1.0], "horizontal_flip": False, "rotation": 0}
FEW = 20


def flipped(table: pd.DataFrame, share: float) -> pd.DataFrame:
    """A share of the training labels changed to any other."""
    rng = np.random.default_rng(0)
    rows = table.index[table["split"] == "train"]
    for row in rng.choice(rows, round(share * len(rows)), replace=False):
        others = [name for name in CLASSES if name != table.at[row, "true_label"]]
        table.at[row, "label"] = rng.choice(others)
    return table


def paired(table: pd.DataFrame) -> pd.DataFrame:
    """Three in ten threes are called eights; nothing else is wrong."""
    rng = np.random.default_rng(0)
    threes = table.index[(table["split"] == "train") & (table["true_label"] == "3")]
    table.loc[rng.choice(threes, round(0.3 * len(threes)), replace=False), "label"] = "8"
    return table


def rare(table: pd.DataFrame) -> pd.DataFrame:
    """A tenth wrong, and a class with only a few training images."""
    table = flipped(table, 0.1)
    twos = table.index[(table["split"] == "train") & (table["label"] == "2")]
    return table.drop(index=twos[FEW:])


@dataclass(frozen=True)
class Case:
    """What is done to the labels, and to the settings of training."""

    labels: Callable[[pd.DataFrame], pd.DataFrame]
    train: dict[str, Any] = field(default_factory=dict)


CASES = {
    "ordinary": Case(lambda table: flipped(table, 0.1)),
    "short training": Case(lambda table: flipped(table, 0.1), {"epochs": 3, "checkpoint_every": 1}),
    "learned by heart": Case(
        lambda table: flipped(table, 0.1),
        {"epochs": 100, "patience": 100, "augmentation": NO_AUGMENTATION},
    ),
    "30% wrong": Case(lambda table: flipped(table, 0.3)),
    "one pair of classes": Case(paired),
    "rare class": Case(rare),
    "clean": Case(lambda table: table),
}


def manifest(folder: Path) -> pd.DataFrame:
    """The digits with their truth and a fixed test split."""
    write_digits(folder / "digits")
    table, _ = list_folder(folder / "digits")
    rng = np.random.default_rng(0)
    table["path"] = "digits/" + table["path"]
    table["true_label"] = table["label"]
    table["split"] = np.where(rng.random(len(table)) < 0.2, "test", "train")
    return table


def run_case(name: str, cores: str) -> dict[str, Any]:
    """Run one case; its row of the table."""
    case, folder = CASES[name], Path("results/benchmarks/robustness") / name.replace(" ", "_")
    folder = folder.resolve()
    if not (folder / "labels.csv").exists():  # written anew, all would run again
        write_csv(case.labels(manifest(folder)), folder / "labels.csv")
    dataset = {"source": "manifest", "path": "labels.csv"}
    run_workflow(folder, {"dataset": dataset, "train": case.train}, [SUSPECTS], cores)
    estimate = json.loads(
        (folder / "results/original/label_errors/estimate.json").read_text(encoding="utf-8")
    )
    row = {"case": name, "estimated_share": estimate["estimated_share"]}
    found = signal_rankings(folder / "results")
    row["wrong_share"] = float(found[0].wrong.mean())
    if not found[0].wrong.any():
        return row
    scores = score_table(found).set_index("ranking")["average_precision"]
    single = scores.drop("suspicion")
    return row | {
        "suspicion": scores["suspicion"],
        "best_single": single.max(),
        "best_single_name": single.idxmax(),
        "ratio": scores["suspicion"] / single.max(),
    }


def main() -> None:
    """Run the cases and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "case", nargs="*", help=f"of {', '.join(CASES).replace('%', '%%')}; none: all"
    )
    parser.add_argument("--cores", default="all")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.case if name not in CASES]
    if unknown:
        parser.error(f"unknown cases {unknown}")
    table = pd.DataFrame([run_case(n, arguments.cores) for n in arguments.case or CASES])
    print(table.round(3).to_string(index=False))
    rows = [{k: v for k, v in row.items() if v == v} for row in table.to_dict("records")]
    target = Path("results/benchmarks/robustness.json")
    write_json(
        {
            "ratio": min((row["ratio"] for row in rows if "ratio" in row), default=None),
            "rows": rows,
        },
        target,
    )


if __name__ == "__main__":
    main()
