"""Seconds that all figures of one run take at the size of Animals-10, on two cores.

    python -m benchmarks.figures

Writes synthetic results (20,800 training and 5,200 test images, 100 proponents and opponents each:
a million rows) to a temporary folder, then runs the workflow's own scripts, each in a fresh process
as Snakemake does, two at a time.
"""

from __future__ import annotations

import json
import runpy
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = ROOT / "workflow_scripts"
REPORT = ROOT / "results" / "benchmarks" / "figures.json"
CLASSES = [
    "butterfly",
    "cat",
    "chicken",
    "cow",
    "dog",
    "elephant",
    "horse",
    "sheep",
    "spider",
    "squirrel",
]
TRAIN, TEST, K, SIDE, CORES, LIMIT = 20_800, 5_200, 100, 64, 2, 60.0
IMAGES = ["predictions.parquet", "manifest.parquet", "classes.json", "topk.parquet", "pixels.npy"]
# script: files it reads, files it writes, its params
JOBS: dict[str, tuple[list[str], dict[str, str], dict[str, Any]]] = {
    "plot_classes": (IMAGES, {"folder": "per_class"}, {"classes": 40}),
    "plot_top_images": (
        [*IMAGES, "appearances.parquet"],
        {"helpful": "helpful.png", "harmful": "harmful.png", "detailed": "detailed"},
        {"counts": {"grid": 24, "detailed": 10}},
    ),
    "plot_overall": (IMAGES, {"figure": "overall.png", "svg": "overall.svg"}, {"classes": 40}),
    "plot_mistakes": (
        ["mispredictions.parquet", *IMAGES],
        {"figure": "mistakes.png"},
        {"counts": {"mistakes": 6, "per_mistake": 5}},
    ),
    "plot_candidates": (
        ["suspects.parquet", "manifest.parquet", "pixels.npy"],
        {"figure": "candidates.png"},
        {"images": 24},
    ),
    "plot_mispredictions": (
        ["mispredictions.parquet", "pixels.npy"],
        {"figure": "mispredictions.png"},
        {"images": 24},
    ),
    "plot_confusion": (
        ["evaluation.json"],
        {"figure": "confusion.png", "svg": "confusion.svg"},
        {"classes": 40},
    ),
    "plot_recall": (
        ["suspects.parquet", "manifest.parquet"],
        {"figure": "recall.png", "svg": "recall.svg"},
        {"planted": 0.1},
    ),
    "plot_learning_curves": (
        ["training.parquet"],
        {"figure": "learning.png", "svg": "learning.svg"},
        {},
    ),
}
TABLES = {
    key: f"{key}.{suffix}"
    for name, suffix in (("", "parquet"), ("_csv", "csv"))
    for key in (f"{table}{name}" for table in ("analysis", "cross", "appearances", "by_class"))
}


class Named(SimpleNamespace):
    """What Snakemake gives a script for its files: names as attributes and as keys."""

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)


def write_results(folder: Path) -> None:
    """Write synthetic results of one run into `folder`."""
    rng = np.random.default_rng(0)
    count = TRAIN + TEST
    label = rng.integers(0, len(CLASSES), count)
    wrong = rng.random(count) < 0.06
    predicted = np.where(wrong, rng.integers(0, len(CLASSES), count), label)
    ids, names = np.arange(count), np.array(CLASSES, dtype=object)
    split = np.where(ids < TEST, "test", "train")
    path = [f"{names[k]}/OIP-{i:06d} è.jpeg" for i, k in zip(ids, label, strict=True)]
    facts = {"split": split, "path": path, "label": names[label], "true_label": names[label]}
    images = pd.DataFrame({"sample_id": ids} | facts)
    images.to_parquet(folder / "manifest.parquet")
    images["confidence"] = rng.random(count).astype(np.float32)
    labels = images[["sample_id"]].assign(label_index=label, keep=True)
    odds = rng.dirichlet(np.ones(len(CLASSES)), count).astype(np.float32)
    labels.assign(
        split=split,
        predicted_index=predicted,
        confidence=images["confidence"],
        probabilities=list(odds),
    ).to_parquet(folder / "predictions.parquet")
    images.assign(predicted=names[predicted])[label != predicted].to_parquet(
        folder / "mispredictions.parquet"
    )
    suspects(images[ids >= TEST], names[(label[ids >= TEST] + 1) % len(CLASSES)]).to_parquet(
        folder / "suspects.parquet"
    )
    lists(rng).to_parquet(folder / "topk.parquet")
    np.save(folder / "pixels.npy", rng.integers(0, 255, (count, SIDE, SIDE, 3), dtype=np.uint8))
    (folder / "classes.json").write_text(json.dumps(CLASSES))
    matrix = np.bincount(label * 10 + predicted, minlength=100).reshape(10, 10).tolist()
    evaluation = {"classes": CLASSES, "confusion_matrix": matrix}
    (folder / "evaluation.json").write_text(json.dumps(evaluation))
    curves().to_parquet(folder / "training.parquet")


def suspects(images: pd.DataFrame, suggested: np.ndarray) -> pd.DataFrame:
    """The training images, all of them suspected."""
    return images.rename(columns={"sample_id": "train_id"}).assign(
        suggested_label=suggested,
        suggested_probability=0.9,
        suspicion=0.9,
        rank=np.arange(1, TRAIN + 1),
        loss=np.random.default_rng(1).random(TRAIN),
        suspected=True,
        reasons="the loss is high; 18 of 20 nearest neighbours carry another label",
    )


def lists(rng: np.random.Generator) -> pd.DataFrame:
    """Top-k lists of the test images, [2 k TEST] rows."""
    chosen = np.stack([rng.choice(TRAIN, 2 * K, replace=False) for _ in range(TEST)]) + TEST
    size = -np.sort(-rng.lognormal(size=(TEST, 2, K)), axis=2)
    kinds = np.tile(np.repeat(["proponent", "opponent"], K), TEST)
    return pd.DataFrame(
        {
            "test_id": np.repeat(np.arange(TEST), 2 * K),
            "kind": pd.Categorical(kinds),
            "rank": np.tile(np.arange(1, K + 1, dtype=np.int32), 2 * TEST),
            "train_id": chosen.ravel(),
            "influence": (size * np.array([1, -1])[:, None]).ravel().astype(np.float32),
        }
    )


def curves() -> pd.DataFrame:
    """Learning curves of a hundred epochs."""
    fall = np.exp(-np.arange(100) / 20)
    columns = ["train_loss", "val_loss", "train_accuracy", "val_accuracy"]
    rates = ["learning_rate_head", "learning_rate_backbone"]
    stages = {"stage": ["head"] * 5 + ["full"] * 95}
    return pd.DataFrame(stages | dict.fromkeys(columns, fall) | dict.fromkeys(rates, 1e-4 * fall))


def run_script(name: str, folder: str) -> dict[str, float]:
    """Run one of the workflow's scripts on the results in `folder`: its wall and CPU seconds."""
    start = time.perf_counter()
    sys.path.insert(0, str(SCRIPTS))
    reads, writes, params = JOBS.get(name, (IMAGES, TABLES, {}))
    snakemake = SimpleNamespace(
        input=Named(**{file.split(".")[0]: f"{folder}/{file}" for file in reads}),
        output=Named(**{key: f"{folder}/{file}" for key, file in writes.items()}),
        params=SimpleNamespace(**params),
        log=[f"{folder}/{name}.log"],
    )
    runpy.run_path(str(SCRIPTS / f"{name}.py"), {"snakemake": snakemake})
    # Imports count, as they do in a job; a busy machine stretches the wall alone.
    return {"wall": time.perf_counter() - start, "cpu": time.process_time()}


def measure(folder: str) -> tuple[dict[str, dict[str, float]], float]:
    """Seconds of each script, tables first because figures read them, and of the figures in all."""
    spawn = get_context("spawn")
    with ProcessPoolExecutor(CORES, mp_context=spawn, max_tasks_per_child=1) as pool:
        jobs = {"cross_reference": pool.submit(run_script, "cross_reference", folder).result()}
        start = time.perf_counter()
        started = {name: pool.submit(run_script, name, folder) for name in JOBS}
        jobs |= {name: job.result() for name, job in started.items()}
        return jobs, time.perf_counter() - start


def main() -> None:
    """Measure, print and write."""
    with tempfile.TemporaryDirectory() as folder:
        write_results(Path(folder))
        jobs, seconds = measure(folder)
        pages = sum(1 for path in Path(folder).rglob("*") if path.suffix in (".png", ".svg"))
    print(f"{'script':24}{'wall s':>8}{'CPU s':>8}")
    for name, spent in jobs.items():
        print(f"{name:24}{spent['wall']:8.1f}{spent['cpu']:8.1f}")
    cpu = sum(jobs[name]["cpu"] for name in JOBS)
    print(f"{pages} files on {CORES} cores: {seconds:.1f} s of {LIMIT:.0f}, CPU {cpu:.1f} s")
    found = {
        "ratio": LIMIT / seconds,
        "seconds": seconds,
        "cpu_seconds": cpu,
        "limit": LIMIT,
        "cores": CORES,
        "files": pages,
        "jobs": jobs,
    }
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
