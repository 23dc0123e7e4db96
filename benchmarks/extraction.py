"""Gradient extraction against the passes over the network that it can't do without.

`python -m benchmarks.extraction`: ratio = images per second for `head` / of the bare forward pass.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.measure import Work, interleaved, quiet, report
from benchmarks.networks import random_images, untrained
from tracin.arithmetic import Precision, autocast
from tracin.checkpoints import load_checkpoint
from tracin.gradients import Beyond, extract_factors
from tracin.images import normalise, read_batch
from tracin.runtime import pick_device
from tracin.samples import Samples

PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--architecture", default="resnet50")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    device = pick_device("auto", torch.get_num_threads())
    pixels = random_images(options.images, options.size)
    ids = np.arange(options.images)
    samples = Samples(ids, ids % 10)
    with tempfile.TemporaryDirectory() as folder:
        path = untrained(Path(folder), options.architecture, 1, options.size)[0]
        works: dict[str, Work] = {}
        for precision in PRECISIONS:
            for name, work in passes(path, pixels, samples, options, device, precision).items():
                works[f"{precision} {name}"] = work
        with quiet():
            best, _ = interleaved(works, options.rounds)
    base = {"head": "forward", "all": "forward and backward"}
    rows = []
    for name, seconds in best.items():
        kind, way = name.split(" ", 1)
        against = best[f"{kind} {base[way]}"] / seconds if way in base else None
        rows.append(
            {
                "precision": kind,
                "pass": way,
                "images per second": round(options.images / seconds, 1),
                "of the bare pass": None if against is None else round(against, 3),
            }
        )
    report(
        "extraction",
        rows,
        ratio=best["float32 forward"] / best["float32 head"],
        ratio_all=best["float32 forward and backward"] / best["float32 all"],
        work=vars(options),
    )


def passes(
    path: Path,
    pixels: np.ndarray,
    samples: Samples,
    options: argparse.Namespace,
    device: torch.device,
    precision: Precision,
) -> dict[str, Work]:
    """The bare passes and the two extractions, each over all images."""
    model, facts = load_checkpoint(path)
    model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def batches() -> Iterator[tuple[Tensor, Tensor]]:
        for start in range(0, len(samples), options.batch):
            rows = slice(start, start + options.batch)
            batch = normalise(read_batch(pixels, samples.ids[rows], options.size).to(device))
            yield batch, torch.from_numpy(samples.labels[rows]).to(device)

    def forward() -> None:
        with torch.inference_mode(), autocast(precision, device):
            for batch, _ in batches():
                model(batch)

    def backward() -> None:
        for batch, labels in batches():
            model.zero_grad()
            with autocast(precision, device):
                logits = model(batch)
            facts.loss.per_sample(logits.float(), labels).sum().backward()

    def extract(beyond: Beyond | None) -> None:
        extract_factors(path, pixels, samples, options.batch, device, beyond, precision)

    return {
        "forward": forward,
        "head": lambda: extract(None),
        "forward and backward": backward,
        "all": lambda: extract(Beyond("all", 16)),
    }


if __name__ == "__main__":
    main()
