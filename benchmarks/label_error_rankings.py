"""The rankings that the label-error benchmark compares."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from cleanlab.rank import get_label_quality_scores
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

from benchmarks.label_error_scores import Ranking
from tracin.label_errors.folds import assign_folds
from tracin.label_errors.views import read_views

# Signals under the name that the literature gives them; all others keep their column's.
NAMES = {
    "loss": "loss of the best weights",
    "area_under_margin": "area under the margin",
    "self_influence": "TracIn self-influence, as published",
}
FOLDS = 5
DRAWN = {"loss", "area_under_margin", "self_influence"}
# learned_late orders the images as the mean loss does, in a smaller unit.
NO_SIGNALS = ["suggested_probability", "suspicion", "learned_late"]


def rankings(results: Path) -> list[Ranking]:
    """Every ranking of the training images in a finished run's `results`, baselines included."""
    found = signal_rankings(results)
    return found + baselines(results, found[0].wrong)


def thorough_rankings(results: Path) -> list[Ranking]:
    """What label_errors.effort: thorough adds: its combination."""
    combined = signal_rankings(results)[0]
    spent = combined.seconds + total_seconds(results.glob("timings/original-judge/seed*/*.tsv"))
    return [replace(combined, name="suspicion, thorough", seconds=spent)]


def signal_rankings(results: Path) -> list[Ranking]:
    """The combination, first, and each of its signals, images by rising train_id."""
    suspects = pd.read_parquet(results / "original/label_errors/suspects.parquet")
    manifest = pd.read_parquet(results / "dataset/manifest.parquet").set_index("sample_id")
    suspects = suspects.sort_values("train_id", ignore_index=True)
    rows = manifest.loc[suspects["train_id"]]
    if rows["true_label"].isna().any():
        raise SystemExit("the manifest lacks a true_label for some training images.")
    wrong = (rows["label"] != rows["true_label"]).to_numpy()
    # The rank holds what suspicion, rounded near one, no longer tells apart.
    combined = -suspects["rank"].to_numpy(dtype=float)
    found = [Ranking("suspicion", combined, wrong, seconds(results), drawn=True)]
    for column in suspects.select_dtypes("float").columns.difference(NO_SIGNALS):
        name = NAMES.get(column, column)
        values = suspects[column].to_numpy(dtype=float)
        found.append(Ranking(name, values, wrong, 0.0, drawn=column in DRAWN))
    return found


def seconds(results: Path) -> float:
    """What the combination took beyond training and prediction, from Snakemake's own records."""
    files = [
        *results.glob("timings/original/seed0/views.tsv"),
        *results.glob("timings/original/seed0/neighbours.tsv"),
        *results.glob("timings/original/seed0/signals.tsv"),
        *results.glob("timings/original/seed0/gradients/*/*.tsv"),
        *results.glob("timings/original/seed0/tiles/train*.tsv"),
    ]
    return total_seconds(files)


def total_seconds(files: Iterable[Path]) -> float:
    """The sum of the times in some of Snakemake's benchmark files."""
    return float(sum(pd.read_csv(file, sep="\t")["s"].sum() for file in files))


def timed(
    name: str, ranked: Callable[[], np.ndarray], wrong: np.ndarray, before: float = 0.0
) -> Ranking:
    """A ranking with the seconds that computing it took, after `before`."""
    start = time.perf_counter()
    values = ranked()
    return Ranking(name, values, wrong, before + time.perf_counter() - start, drawn=True)


def cleanlab_scores(labels: np.ndarray, probabilities: np.ndarray, method: str) -> np.ndarray:
    """cleanlab's label quality, negated: [n]."""
    unit = probabilities.astype(np.float64)
    unit /= unit.sum(axis=1, keepdims=True)
    return -np.asarray(get_label_quality_scores(labels, unit, method=method))


def labels_of(results: Path, ids: np.ndarray) -> np.ndarray:
    """Given class indices of some samples."""
    table = pd.read_parquet(results / "labels/original.parquet").set_index("sample_id")
    return table.loc[ids, "label_index"].to_numpy(dtype=np.int64)


def baselines(results: Path, wrong: np.ndarray) -> list[Ranking]:
    """cleanlab on the same probabilities, and with cross-validated probes on the same features."""
    signals = pd.read_parquet(results / "original/seed0/label_errors/signals.parquet")
    ids = signals["train_id"].to_numpy()
    seen = read_views(results / "original/seed0/label_errors/views.safetensors").only(ids)
    labels = labels_of(results, ids)

    def probes() -> np.ndarray:
        model = LogisticRegression(max_iter=1000)
        probabilities = np.zeros(seen.plain.shape)
        probabilities[:, np.unique(labels)] = cross_val_predict(
            model, seen.features, labels, cv=5, method="predict_proba"
        )
        return cleanlab_scores(labels, probabilities, "self_confidence")

    return [
        timed(
            f"cleanlab {method.replace('_', ' ')}, same probabilities",
            partial(cleanlab_scores, labels, seen.plain, method),
            wrong,
        )
        for method in ("self_confidence", "normalized_margin")
    ] + [timed("cleanlab, 5-fold probes on the features", probes, wrong)]


def fold_views(number: int) -> str:
    """What the network of one fold says of all images; below the folder of the workflow's run."""
    return f"results/original-fold{number}/seed0/label_errors/views.safetensors"


def fold_baseline(results: Path, wrong: np.ndarray) -> Ranking:
    """cleanlab on the probabilities of networks that never saw the image."""
    manifest = pd.read_parquet(results / "dataset/manifest.parquet")
    labels = pd.read_parquet(results / "labels/original.parquet")
    fold = assign_folds(manifest, labels, FOLDS)
    ids = np.flatnonzero(fold >= 0)
    files = [results.parent / fold_views(number) for number in range(FOLDS)]
    # The usual advice takes one view of each image.
    said = np.stack([read_views(file).only(ids).plain for file in files])
    probabilities = said[fold[ids], np.arange(len(ids))]
    spent = total_seconds(results.glob("timings/original-fold*/seed0/train.tsv"))
    given = labels_of(results, ids)
    scores = partial(cleanlab_scores, given, probabilities, "self_confidence")
    return timed(f"cleanlab, {FOLDS} folds", scores, wrong, spent)
