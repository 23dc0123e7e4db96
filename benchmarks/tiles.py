"""Exact top-k of a tile: the plain way against a bare matrix product, and pruned against plain.

`python -m benchmarks.tiles [--test N] [--train N]`: ratio = time of the plain tile / pruned tile.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
import torch

from benchmarks.measure import FOLDER, interleaved, quiet, report
from benchmarks.networks import trained
from tracin.gradients import extract_factors
from tracin.samples import Samples
from tracin.shards import Factors, Slot, by_slot, save_shard
from tracin.tiles import tile_table

CPU = torch.device("cpu")
SLOTS, K, SPLIT = 5, 100, 14_970


def network_factors(folder: Path, sizes: dict[str, int]) -> dict[str, list[Slot]]:
    """Factors of a ResNet-50 (d = 2048) trained on digits; kept in `folder` for the next time."""
    checkpoints = [folder / f"{slot}.safetensors" for slot in range(SLOTS)]
    shards = {s: [folder / f"{slot}-{s}.safetensors" for slot in range(SLOTS)] for s in sizes}
    if not all(path.exists() for paths in shards.values() for path in paths):
        folder.mkdir(parents=True, exist_ok=True)
        images, labels = trained(checkpoints)
        for split, rows in (("train", slice(0, SPLIT)), ("test", slice(SPLIT, None))):
            ids = torch.arange(len(labels))[rows].numpy()
            for checkpoint, path in zip(checkpoints, shards[split], strict=True):
                with quiet():
                    factors, rate = extract_factors(
                        checkpoint, images, Samples(ids, labels[rows]), 250, CPU
                    )
                save_shard(factors, slice(0, len(ids)), len(ids), rate, path)
    read = {split: by_slot([[path] for path in paths]) for split, paths in shards.items()}
    return {s: [(first(f, sizes[s]), r) for f, r in slots] for s, slots in read.items()}


def first(factors: Factors, rows: int) -> Factors:
    return Factors(factors.sample_id[:rows], factors.activations[:rows], factors.errors[:rows])


def noise(like: list[Slot]) -> list[Slot]:
    """Factors of the same shapes that give a bound nothing to hold on to."""
    return [
        (Factors(f.sample_id, torch.randn_like(f.activations), torch.randn_like(f.errors)), rate)
        for f, rate in like
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--test", type=int, default=3000)
    parser.add_argument("--train", type=int, default=SPLIT)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    sizes = {"train": options.train, "test": options.test}
    factors = network_factors(FOLDER / "network", sizes)
    rows, seconds = [], {}
    for name, test, train in (
        ("trained", factors["test"], factors["train"]),
        ("noise", noise(factors["test"]), noise(factors["train"])),
    ):
        seconds[name] = timed(test, train, options.rounds)
        rows += table(name, seconds[name], sizes)
    best = seconds["trained"]
    report(
        "tiles",
        rows,
        ratio=best["plain"] / best["pruned"],
        plain_over_bare_product=best["bare product"] / best["plain"],
        pruned_over_plain_on_noise=seconds["noise"]["pruned"] / seconds["noise"]["plain"],
        sizes=sizes | {"slots": SLOTS, "k": K},
    )


def bare(test: list[Slot], train: list[Slot]) -> None:
    """The wide products, and nothing else."""
    for (a, _), (b, _) in zip(test, train, strict=True):
        a.activations @ b.activations.T


def timed(test: list[Slot], train: list[Slot], rounds: int) -> dict[str, float]:
    """Best seconds of each way; the lists of both must be the same, bit for bit."""
    works = {
        "bare product": lambda: bare(test, train),
        "plain": lambda: tile_table(test, train, K, CPU, prune=False),
        "pruned": lambda: tile_table(test, train, K, CPU),
    }
    best, results = interleaved(works, rounds)
    pd.testing.assert_frame_equal(results["plain"], results["pruned"], check_exact=True)
    return best


def table(name: str, best: dict[str, float], sizes: dict[str, int]) -> list[dict[str, object]]:
    flops = 2.0 * SLOTS * sizes["test"] * sizes["train"] * 2049
    return [
        {
            "factors": name,
            "way": way,
            "seconds": round(seconds, 2),
            "GFLOP/s": round(flops / seconds / 1e9, 1) if way != "pruned" else None,
            "of bare product": round(best["bare product"] / seconds, 2),
            "of plain": round(best["plain"] / seconds, 2),
        }
        for way, seconds in best.items()
    ]


if __name__ == "__main__":
    main()
