"""Growth with the number of images: shards on disk, tiles as jobs, time and memory of each job.

`python -m benchmarks.scale`: ratio = the longest time per pair / the shortest, over all sizes.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks.imagenet import DEPTH, SLOTS, projection
from benchmarks.measure import interleaved, quiet, report
from benchmarks.networks import random_images, untrained
from tracin.gradients import extract_factors
from tracin.samples import Samples, block_rows
from tracin.shards import Factors, save_shard

CLASSES, IMAGES, SIZE = 10, 200, 224


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--block", type=int, default=5000)
    parser.add_argument("--blocks", type=int, nargs="+", default=[1, 2, 3])
    options = parser.parse_args()
    rows = []
    for blocks in options.blocks:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(grow(Path(folder), options.block, blocks))
    rates = [row["seconds per million pairs"] for row in rows]
    report(
        "scale",
        rows,
        ratio=max(rates) / min(rates),
        largest_peak_gb=max(row["peak GB"] for row in rows),
        imagenet_here=projection(passes(), rates[-1] / 1e6, CLASSES),
        work=vars(options),
    )


def grow(folder: Path, block: int, blocks: int) -> dict[str, float]:
    """Write `blocks` blocks of training samples and one of test samples, and run every tile."""
    total, start = block * blocks, time.perf_counter()
    for slot in range(SLOTS):
        for part in range(blocks):
            write(folder, "train", slot, part, block_rows(total, part, blocks), total)
        write(folder, "test", slot, 0, slice(0, block), block)
    writing = time.perf_counter() - start
    size = sum(path.stat().st_size for path in folder.iterdir())
    seconds, peak = 0.0, 0.0
    for part in range(blocks):
        command = [
            sys.executable,
            "-m",
            "benchmarks.scale_job",
            str(folder),
            str(part),
            str(blocks),
        ]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        # Above it stands what the job computes on.
        answer = [float(word) for word in output.splitlines()[-1].split()]
        seconds, peak = seconds + answer[0], max(peak, answer[1])
    pairs = block * total / 1e6
    return {
        "training images": total,
        "tiles": blocks,
        "GB on disk": round(size / 1e9, 3),
        "writing, GB/s": round(size / 1e9 / writing, 2),
        "seconds": round(seconds, 2),
        "seconds per million pairs": round(seconds / pairs, 4),
        "peak GB": round(peak, 2),
    }


def write(folder: Path, split: str, slot: int, part: int, rows: slice, total: int) -> None:
    """A shard of factors like a trained network's: classes of activations, mostly small errors."""
    generator = torch.Generator().manual_seed(hash((split == "test", slot, part)) % 2**31)
    n = rows.stop - rows.start
    centres = torch.rand(CLASSES, DEPTH + 1, generator=torch.Generator().manual_seed(slot))
    label = torch.randint(CLASSES, (n,), generator=generator)
    activations = centres[label] + 0.1 * torch.rand(n, DEPTH + 1, generator=generator)
    logits = torch.randn(n, CLASSES, generator=generator)
    logits[torch.arange(n), label] += 6
    errors = logits.softmax(dim=1)
    errors[torch.arange(n), label] -= 1
    ids = torch.arange(rows.start, rows.stop) + (10**7 if split == "test" else 0)
    path = folder / f"{slot}-{split}-{part}.safetensors"
    save_shard(Factors(ids, activations, errors), rows, total, 1e-3, path)


def passes() -> float:
    """Gradients per second of a ResNet-50 on images of 224 pixels, a second time."""
    pixels, ids = random_images(IMAGES, SIZE), np.arange(IMAGES)
    samples = Samples(ids, ids % CLASSES)
    with tempfile.TemporaryDirectory() as folder, quiet():
        checkpoint = untrained(Path(folder), "resnet50", 1, SIZE)[0]
        work = partial(extract_factors, checkpoint, pixels, samples, 50, torch.device("cpu"))
        best, _ = interleaved({"gradients": work}, 2)
    return IMAGES / best["gradients"]


if __name__ == "__main__":
    main()
