"""Memory and open files of long runs stay where they were after warm-up (Linux: /proc is read)."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from tests.tracin.test_training import RECIPE, run_training
from tracin.checkpoints import Checkpoint, save_checkpoint
from tracin.decoding import decode_folder
from tracin.gradients import extract_factors
from tracin.loss import Loss
from tracin.model import Architecture, build_model
from tracin.samples import Samples, block_rows
from tracin.shards import save_shard

pytestmark = pytest.mark.slow
IMAGES, CLASSES = 100_000, 3
GROWTH, FILES = 1.05, 64


@dataclass
class Watch:
    """Memory of this process in MB, pages of mapped files left out, and its open files."""

    memory: list[float] = field(default_factory=list)
    files: list[int] = field(default_factory=list)

    def look(self) -> None:
        status = Path("/proc/self/status").read_text(encoding="ascii")
        line = next(line for line in status.splitlines() if line.startswith("RssAnon"))
        self.memory.append(int(line.split()[1]) / 1024)
        self.files.append(len(os.listdir("/proc/self/fd")))

    def check(self, name: str) -> None:
        """The first fifth is warm-up; the last must be like the one after it."""
        fifth = len(self.memory) // 5
        assert fifth > 10
        early = float(np.median(self.memory[fifth : 2 * fifth]))
        late = float(np.median(self.memory[-fifth:]))
        print(f"{name}: {early:.0f} MB, then {late:.0f} MB; at most {max(self.files)} open files")
        assert late < GROWTH * early
        assert max(self.files) < FILES


@contextmanager
def watched(name: str) -> Iterator[None]:
    """Look ten times a second while the block runs, then check."""
    watch, done = Watch(), threading.Event()

    def look() -> None:
        while not done.wait(0.1):
            watch.look()

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    watch.check(name)


@pytest.mark.parametrize("workers", [0, 2])
def test_fifty_epochs(tmp_path: Path, workers: int) -> None:
    recipe = replace(RECIPE, epochs=50, patience=50, checkpoint_every=25, head_epochs=0)
    with watched(f"50 epochs, {workers} workers"):
        table = run_training(tmp_path, recipe, workers=workers)
    assert len(table) == 50


def test_extraction_over_many_images(tmp_path: Path) -> None:
    """Blocks of 5,000, as the workflow cuts them, but all in one process."""
    random = np.random.default_rng(0)
    pixels = np.lib.format.open_memmap(tmp_path / "pixels.npy", "w+", np.uint8, (IMAGES, 8, 8, 3))
    pixels[:] = random.integers(0, 256, pixels.shape, dtype=np.uint8)
    architecture = Architecture("resnet18", CLASSES, stem="small")
    facts = Checkpoint(architecture, Loss((1.0,) * CLASSES, 0.0), 8, 1, 1e-3, 1e-3, 1.0)
    checkpoint = tmp_path / "0.safetensors"
    save_checkpoint(build_model(architecture), facts, checkpoint)
    samples = Samples(np.arange(IMAGES), random.integers(0, CLASSES, IMAGES))
    blocks = IMAGES // 5000
    with watched(f"extraction of {IMAGES:,} images"):
        for block in range(blocks):
            rows = block_rows(IMAGES, block, blocks)
            part = samples.slice(rows)
            factors, rate = extract_factors(checkpoint, pixels, part, 256, torch.device("cpu"))
            save_shard(factors, rows, IMAGES, rate, tmp_path / "shard.safetensors")


@pytest.mark.parametrize("workers", [1, 2])
def test_decoding_many_images(tmp_path: Path, workers: int) -> None:
    """Few files, each listed many times."""
    random = np.random.default_rng(0)
    for number in range(100):
        pixels = random.integers(0, 256, (24, 24, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    paths = [f"{number % 100}.png" for number in range(IMAGES)]
    listing = pd.DataFrame({"path": paths, "label": "x"}, dtype="string")
    with watched(f"decoding of {IMAGES:,} images, {workers} workers"):
        images, rejected = decode_folder(listing, tmp_path, 16, tmp_path / "pixels.npy", workers)
    assert len(images) == IMAGES and len(rejected) == 0
