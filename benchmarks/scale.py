"""Growth with the number of images: shards on disk, tiles as jobs, time and memory of each job.

`python -m benchmarks.scale`: ratio = time per pair of the largest data set / of the smallest.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from benchmarks.measure import report
from tracin.samples import block_rows
from tracin.shards import Factors, save_shard

DEPTH, CLASSES, SLOTS, K = 2048, 10, 5, 100
IMAGENET = {"train": 1_281_167, "test": 50_000, "classes": 1000}


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
        ratio=rates[-1] / rates[0],
        largest_peak_gb=max(row["peak GB"] for row in rows),
        imagenet_here=imagenet(rates[-1] / 1e6),
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


def imagenet(seconds_per_pair: float) -> str:
    """What five checkpoints of ImageNet would take at the measured rate, in words.

    The work per pair is a product of DEPTH + 1 numbers and one of as many as there are classes.
    """
    pairs = IMAGENET["train"] * IMAGENET["test"]
    images = IMAGENET["train"] + IMAGENET["test"]
    width = DEPTH + 1 + IMAGENET["classes"]
    hours = pairs * seconds_per_pair / 3600 * width / (DEPTH + 1 + CLASSES)
    gigabytes = 4 * SLOTS * images * width / 1e9
    return f"{hours:.1f} hours for the tiles, {gigabytes:.0f} GB of float32 shards, half in float16"


def peak_memory() -> float:
    """Largest resident memory of this process in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


if __name__ == "__main__":
    main()
