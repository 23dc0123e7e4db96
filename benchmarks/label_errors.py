"""How well rankings find wrong labels, on any manifest that knows the truth (true_label).

python -m benchmarks.label_errors --dataset labels.csv

runs the workflow on the manifest (and goes on where it was stopped), scores every signal, the
combination and the baselines by the truth, which reaches nothing else, prints the table, and writes
results/benchmarks/label_errors.json and .png. It goes on with label_errors.effort: thorough, and
with five folds for cleanlab's baseline, and reports again after each. These seven networks take
hours on two cores: --effort standard leaves them out. --training-threads 1 trains as many networks
as there are cores beside each other, which is sooner where there are few cores.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from benchmarks.label_error_rankings import (
    FOLDS,
    fold_baseline,
    fold_views,
    rankings,
    thorough_rankings,
)
from benchmarks.label_error_scores import Ranking, score_table
from benchmarks.workflow import ROOT, SUSPECTS, run_workflow
from tracin.figures.recall import recall_curves
from tracin.figures.style import save
from tracin.files import write_json

PLAIN, COMBINATION = "loss of the best weights", "suspicion"
THOROUGH, OUT_OF_FOLD = "suspicion, thorough", f"cleanlab, {FOLDS} folds"
EFFORTS = ["standard", "thorough"]


def run(
    arguments: argparse.Namespace, folder: Path
) -> Iterator[tuple[list[Ranking], dict[str, dict[str, Any]]]]:
    """Run the workflow on the manifest below `folder`: rankings so far, and estimates by effort."""
    dataset = {
        "source": "manifest",
        "path": str(Path(arguments.dataset).resolve()),
        "label_column": arguments.label_column,
    }
    example = yaml.safe_load(Path(arguments.configfile).read_text(encoding="utf-8"))
    example["dataset"] = example.get("dataset", {}) | dataset
    # The run that is scored, whatever seeds the file lists.
    example["train"] = example.get("train", {}) | {"seeds": [0]}
    asked = example.get("label_errors", {})
    shared = arguments.cores, arguments.training_threads
    found: list[Ranking] = []
    estimates = {}
    for effort in EFFORTS[: EFFORTS.index(arguments.effort) + 1]:
        example["label_errors"] = asked | {"effort": effort}
        run_workflow(folder, example, [SUSPECTS], *shared)
        # Read at once, as the next effort writes its own list of suspects over this one.
        found += (rankings if effort == "standard" else thorough_rankings)(folder / "results")
        estimates[effort] = json.loads((folder / SUSPECTS).with_name("estimate.json").read_text())
        estimates[effort].pop("pairs")
        yield found, estimates
    if arguments.effort == "thorough":
        example["label_errors"] = asked | {"folds": FOLDS}
        views = [fold_views(number) for number in range(FOLDS)]
        run_workflow(folder, example, views, *shared)
        yield [*found, fold_baseline(folder / "results", found[0].wrong)], estimates


def headline(table: pd.DataFrame) -> dict[str, float]:
    """Average precision of the combination over that of the baselines."""
    precision = table.set_index("ranking")["average_precision"]
    ratios = {"ratio": precision[COMBINATION] / precision[PLAIN]}
    if THOROUGH in precision:
        ratios["ratio_thorough"] = precision[THOROUGH] / precision[PLAIN]
    if OUT_OF_FOLD in precision:
        ratios["ratio_to_cleanlab_5_folds"] = precision[COMBINATION] / precision[OUT_OF_FOLD]
    return {name: float(value) for name, value in ratios.items()}


def report(
    found: list[Ranking], estimates: dict[str, dict[str, Any]], arguments: argparse.Namespace
) -> None:
    """Print the table; write JSON and figure."""
    wrong = int(found[0].wrong.sum())
    if not wrong:
        print(f"No label is wrong: nothing to rank. Estimates: {estimates}")
        return
    table = score_table(found)
    print(table.drop(columns=["low", "high"]).round(3).to_string(index=False))
    result = headline(table) | {
        "label_column": arguments.label_column,
        "images": len(found[0].wrong),
        "wrong": wrong,
        "estimates": estimates,
        "rows": table.to_dict("records"),
    }
    print({key: result[key] for key in result if key != "rows"})
    target = Path("results/benchmarks")
    write_json(result, target / "label_errors.json")
    curves = {r.name: r.ordered_errors() for r in found if r.drawn}
    others = [r.ordered_errors() for r in found if not r.drawn]
    note = f"{wrong:,} wrong labels of {len(found[0].wrong):,}"
    save(recall_curves(curves, note, others), target / "label_errors.png")


def main() -> None:
    """Parse the command line, run and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", required=True, help="CSV or Parquet with a true_label column")
    parser.add_argument("--label-column", default="label")
    parser.add_argument("--configfile", default=str(ROOT / "examples" / "small-images.yaml"))
    parser.add_argument("--effort", choices=EFFORTS, default="thorough")
    parser.add_argument("--cores", default="all")
    parser.add_argument("--training-threads", type=int, default=8)
    arguments = parser.parse_args()
    folder = Path("results/benchmarks/label_errors").resolve() / arguments.label_column
    for found, estimates in run(arguments, folder):
        report(found, estimates, arguments)


if __name__ == "__main__":
    main()
