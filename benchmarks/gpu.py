"""Training, extraction and tiles on a GPU, each against the same work on resident data.

`python -m benchmarks.gpu`: ratio = extraction from the memory map / forward passes of resident
images by the same network. Without a GPU it says so and writes nothing.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader

from benchmarks.imagenet import DEPTH, SLOTS, projection
from benchmarks.measure import Work, interleaved, quiet, report
from benchmarks.networks import random_images, untrained
from tracin.arithmetic import Precision, autocast, matrix_units
from tracin.checkpoints import load_checkpoint
from tracin.frozen import folded
from tracin.gradients import extract_factors
from tracin.images import Augmentation, EpochSampler, TrainingImages, collate, normalise
from tracin.loss import Loss
from tracin.runtime import pick_device
from tracin.samples import Samples
from tracin.shards import Factors, Slot
from tracin.tiles import tile_table

SIZE, CLASSES, K = 224, 10, 100
TRAINED_ON = 8192  # images of an epoch
TILE_ROUNDS = 5  # the first ones lock memory and wake the GPU; all take seconds
PRECISIONS: tuple[Precision, ...] = ("float32", "tf32", "bfloat16")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=24_576)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--workers", type=int, default=12)
    parser.add_argument("--block", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if not torch.cuda.is_available():
        print("No GPU here: nothing measured.")
        return
    device = pick_device("cuda", torch.get_num_threads())
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pixels.npy"
        np.save(file, random_images(options.images, 256))
        pixels = np.load(file, mmap_mode="r")
        checkpoint = untrained(Path(folder), "resnet50", 1, SIZE)[0]
        with quiet():
            rows = passes(checkpoint, pixels, options, device)
        rows += tiles(options, device)
    shares = {row["work"]: row["of the base"] for row in rows}
    report(
        "gpu",
        rows,
        ratio=shares["extraction, bfloat16"],
        shares=shares,
        imagenet=imagenet({row["work"]: row["rate"] for row in rows}),
        work=vars(options),
    )


def imagenet(rates: dict[str, float]) -> dict[str, str]:
    """What ImageNet would take in each precision that tiles have, from images/s and TFLOP/s."""
    flops = 2 * SLOTS * (DEPTH + 1)
    return {
        p: projection(rates[f"extraction, {p}"], flops / rates[f"tile, {p}"] / 1e12, CLASSES)
        for p in PRECISIONS[:2]
    }


def passes(
    checkpoint: Path, pixels: np.ndarray, options: argparse.Namespace, device: torch.device
) -> list[dict[str, Any]]:
    """Training steps and extraction, from the memory map and on resident images."""
    labels = np.arange(len(pixels)) % 10
    model, facts = load_checkpoint(checkpoint)
    model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    resident = torch.randint(0, 256, (options.batch, 3, SIZE, SIZE), dtype=torch.uint8).to(device)
    answers = torch.arange(options.batch, device=device) % 10
    steps = len(pixels) // options.batch
    inference = folded(model)
    trained = pixels[:TRAINED_ON]
    loader = training_loader(trained, labels[:TRAINED_ON], options)

    step = partial(
        train, model, facts.loss, torch.optim.AdamW(model.parameters(), 1e-6, fused=True)
    )
    works: dict[str, Work] = {
        "training, resident": lambda: step(itertools.repeat((resident, answers), len(loader))),
        "training, memory map": lambda: step((batch[0], batch[1]) for batch in loader),
    }
    samples = Samples(np.arange(len(pixels)), labels)
    for p in PRECISIONS:
        works[f"forward, {p}"] = partial(forward, inference, resident, steps, p)
        works[f"extraction, {p}"] = partial(
            extract_factors, checkpoint, pixels, samples, options.batch, device, None, p
        )
    best, _ = interleaved(works, options.rounds)
    rows = [("training, memory map", "training, resident", len(trained))]
    rows += [(f"extraction, {p}", f"forward, {p}", len(pixels)) for p in PRECISIONS]
    return [
        {
            "work": name,
            "rate": round(images / best[name], 1),
            "unit": "images/s",
            "of the base": round(best[base] / best[name], 3),
            "base": base,
        }
        for name, base, images in rows
    ]


def train(
    model: nn.Module,
    loss: Loss,
    optimizer: torch.optim.Optimizer,
    batches: Iterable[tuple[Tensor, Tensor]],
) -> None:
    """A training step in bfloat16 on each batch of images and labels."""
    model.train()
    device = next(model.parameters()).device
    for images, wanted in batches:
        with autocast("bfloat16", device):
            logits = model(normalise(images.to(device, non_blocking=True)))
        wanted = wanted.to(device, non_blocking=True)
        optimizer.zero_grad(set_to_none=True)
        loss.per_sample(logits.float(), wanted).mean().backward()
        optimizer.step()


def training_loader(
    pixels: np.ndarray, labels: np.ndarray, options: argparse.Namespace
) -> DataLoader[Any]:
    """Augmented batches from the memory map as training reads them; workers outlive an epoch."""
    ids, augmentation = np.arange(len(pixels)), Augmentation((0.6, 1.0), True)
    return DataLoader(
        TrainingImages(pixels, ids, labels, augmentation, SIZE),
        options.batch,
        sampler=EpochSampler(len(pixels), 0),
        num_workers=options.workers,
        persistent_workers=options.workers > 0,
        collate_fn=collate,
        pin_memory=True,
        drop_last=True,
    )


def forward(model: nn.Module, images: Tensor, steps: int, precision: Precision) -> None:
    """Bare forward passes of a resident batch, by a network in eval mode."""
    with (
        torch.inference_mode(),
        matrix_units(precision, images.device),
        autocast(precision, images.device),
    ):
        for _ in range(steps):
            model(normalise(images))


def tiles(options: argparse.Namespace, device: torch.device) -> list[dict[str, Any]]:
    """Tiles with top-k and their loading to the GPU, against bare products of resident matrices."""
    torch.cuda.empty_cache()  # a tile is a job of its own
    n, rows = options.block, []
    sides = [factors(first, n) for first in (0, n)]
    a, b = (sides[i][0][0].activations.to(device) for i in range(2))
    wide = [functional.pad(side, (0, 7)) for side in (a, b)]
    for precision in PRECISIONS[:2]:
        with matrix_units(precision, device):
            works: dict[str, Work] = {
                "product": lambda: products(a, b),
                "product, padded": lambda: products(*wide),
                "tile": lambda: tile_table(sides[0], sides[1], K, device),
            }
            best, _ = interleaved(works, TILE_ROUNDS)
        product = min(best["product"], best["product, padded"])
        rows.append(
            {
                "work": f"tile, {precision}",
                "rate": round(2 * SLOTS * n * n * (DEPTH + 1) / best["tile"] / 1e12, 2),
                "unit": "TFLOP/s",
                "of the base": round(product / best["tile"], 3),
                "base": "bare products of resident matrices, 2049 or 2056 wide",
            }
        )
    return rows


def factors(first: int, n: int) -> list[Slot]:
    """Random gradients of n samples with ids from `first` on."""
    ids = torch.arange(first, first + n)
    return [
        (Factors(ids, torch.rand(n, DEPTH + 1), torch.randn(n, CLASSES)), 1e-3)
        for _ in range(SLOTS)
    ]


def products(a: Tensor, b: Tensor) -> None:
    """As many wide products as a tile takes."""
    for _ in range(SLOTS):
        a @ b.T


if __name__ == "__main__":
    main()
