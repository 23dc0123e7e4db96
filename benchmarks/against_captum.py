"""The same lists by other tools and by this engine, one after the other.

`python -m benchmarks.against_captum`: ratio = captum's TracInCPFast at its best batch size / this
engine, both float32. The tools come with `pip install .[benchmarks]`.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from scipy.stats import spearmanr

from benchmarks import tools
from benchmarks.limits import operations, product_rate
from benchmarks.measure import interleaved, quiet, report
from benchmarks.networks import random_images, untrained
from tracin.arithmetic import Precision
from tracin.checkpoints import load_checkpoint
from tracin.gradients import extract_factors
from tracin.inference import forward
from tracin.influence import tile_scores
from tracin.samples import Samples
from tracin.shards import Slot, only_rows
from tracin.tiles import tile_table

CPU = torch.device("cpu")
K = 20
PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", type=int, default=2000)
    parser.add_argument("--test", type=int, default=500)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--checkpoints", type=int, default=3)
    parser.add_argument("--architecture", default="resnet50")
    parser.add_argument("--batches", type=int, nargs="+", default=[100, 500, 2000], help="captum's")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--limit", type=float, default=300, help="seconds for each other tool")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, quiet():
        paths = untrained(Path(folder), options.architecture, options.checkpoints, options.size)
        compare(paths, options)


def compare(paths: list[Path], options: argparse.Namespace) -> None:
    """Time everything in turns, check the scores, and report."""
    count = options.train + options.test
    task = tools.Task(
        paths, random_images(count, options.size), np.arange(count) % 10, options.train
    )
    works: dict[str, Callable[[], object]] = {
        "bare forward passes": partial(bare, task),
        "this engine": partial(engine, task, "float32"),
        "this engine, bfloat16": partial(engine, task, "bfloat16"),
    }
    for batch in options.batches:
        works[f"captum TracInCPFast, batch {batch}"] = partial(tools.captum, task, batch, K)
    best, results = interleaved(works, options.rounds)
    others = {name: tools.attempt(name, task, options.limit) for name in tools.OTHERS}
    scores = {name: dense(task, name) for name in PRECISIONS}
    unbiased = dense(task, "float32", bias=False)
    captum = min(seconds for name, seconds in best.items() if name.startswith("captum"))
    own = best["this engine"]
    for name in works:
        if name.startswith("captum"):
            check(unbiased, *results[name])
    rows = [row(name, seconds, own) for name, seconds in best.items()]
    rows += [
        row(name, found, own) if isinstance(found, float) else {"tool": name, "note": found}
        for name, found in others.items()
    ]
    report(
        "against_captum",
        rows,
        ratio=captum / own,
        ratio_bfloat16=captum / best["this engine, bfloat16"],
        over_bare_forward=own / best["bare forward passes"],
        ratio_of_fastest_products=limits(captum, task, options),
        spearman_bfloat16=float(
            spearmanr(scores["float32"].ravel(), scores["bfloat16"].ravel()).statistic
        ),
        work=vars(options),
    )


def limits(captum: float, task: tools.Task, options: argparse.Namespace) -> dict[str, float]:
    """captum's seconds over those of the forward passes at the rate of the fastest products."""
    passes = (options.train + options.test) * options.checkpoints
    work = passes * operations(task.paths[0], options.size)
    return {p: captum / work * product_rate(getattr(torch, p)) for p in PRECISIONS}


def row(name: str, seconds: float, own: float) -> dict[str, object]:
    return {
        "tool": name,
        "seconds": round(seconds, 2),
        "times this engine": round(seconds / own, 2),
    }


def bare(task: tools.Task) -> None:
    """The forward passes that no way of doing this can leave out."""
    for path in task.paths:
        model, facts = load_checkpoint(path)
        for _ in forward(model, task.pixels, task.ids, facts.input_size, 100, CPU):
            pass


def factors(task: tools.Task, precision: Precision) -> tuple[list[Slot], list[Slot]]:
    """Training and test factors of every checkpoint, each of which is read once."""
    samples, sides = Samples(task.ids, task.labels), (slice(task.train), slice(task.train, None))
    work = task.pixels, samples, 100, CPU, None, precision
    slots = [extract_factors(path, *work) for path in task.paths]
    train, test = ([(only_rows(both, rows), rate) for both, rate in slots] for rows in sides)
    return train, test


def engine(task: tools.Task, precision: Precision) -> object:
    """Proponents and opponents; captum is asked for the proponents only."""
    train, test = factors(task, precision)
    return tile_table(test, train, K, CPU)


def dense(task: tools.Task, precision: Precision, bias: bool = True) -> np.ndarray:
    """All scores [n_test, n_train]; captum leaves the final layer's bias out."""
    train, test = factors(task, precision)
    for slot, _ in () if bias else train:
        slot.activations[:, -1] = 0
    return tile_scores(test, train, CPU)[0].numpy()


def check(scores: np.ndarray, indices: np.ndarray, values: np.ndarray) -> None:
    """Another tool's scores must be equal to 1e-5, its lists wherever scores differ by more.

    Raises:
        AssertionError: a score differs, or a sample is listed whose score is clearly lower.
    """
    gap = 1e-5 * np.abs(scores).max()
    order = np.argsort(-scores, axis=1, kind="stable")[:, : indices.shape[1]]
    listed, own = (np.take_along_axis(scores, i, axis=1) for i in (indices, order))
    np.testing.assert_allclose(values, listed, rtol=1e-5, atol=gap)
    assert (np.abs(listed - own) <= gap).all(), "the lists differ"


if __name__ == "__main__":
    main()
