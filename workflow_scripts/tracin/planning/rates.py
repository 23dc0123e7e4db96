"""How fast this machine works, measured for a few seconds on the real code and random images."""

from __future__ import annotations

import io
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from tracin.checkpoints import Checkpoint, save_checkpoint
from tracin.decoding import decode_image
from tracin.gradients import Beyond, extract_factors
from tracin.images import TrainingImages
from tracin.inference import predict
from tracin.loss import Loss
from tracin.model import architecture_of, build_model, final_linear
from tracin.planning.network import network_of
from tracin.recipe import Run, recipe_of
from tracin.samples import Samples
from tracin.shards import Factors, Sketches, Slot
from tracin.tiles import tile_table
from tracin.training import trial_pass

Rates = dict[str, float]
IMAGES = 64  # random images, used again and again
CROSSED = 4000  # training images of the measured tile, at most
NUMBERS = 5e7  # that it holds of them, at most
TRIES = 4  # passes of one size, at most
START = """
import psutil, sys, torch, tracin.training, tracin.gradients
torch.zeros(1, device=sys.argv[1])
print(psutil.Process().memory_info().rss)
"""


def per_second(work: Callable[[int], object], seconds: float, start: int = 4) -> float:
    """How many more images `work` does per second, from two passes of which one is twice as long.

    What a pass takes whatever its size, such as the start of loader processes, falls out.
    """
    work(start)
    took, size = [0.0], start
    while took[-1] < seconds:
        took.append(_undisturbed(work, size, 2 * took[-1]))
        size *= 2
    last = size // 2
    if len(took) == 2:
        return last / took[-1]
    return last / 2 / max(took[-1] - took[-2], took[-1] / 10)


def _undisturbed(work: Callable[[int], object], size: int, most: float) -> float:
    """Seconds of the fastest pass of two, or of up to `TRIES` while each takes more than `most`.

    Twice as many images take twice as long at most, but the first pass of a size also makes its
    kernels, and what else the machine does may hold one up for seconds.
    """
    best = math.inf
    for number in range(1, TRIES + 1):
        begin = time.perf_counter()
        work(size)
        best = min(best, time.perf_counter() - begin)
        if number > 1 and best <= most:
            break
    return best


class Trial:
    """Each kind of work that a run of some settings does, on as many random images as wanted."""

    def __init__(self, settings: Mapping[str, Any], classes: int, folder: Path) -> None:
        self.settings, self.device, self.folder = settings, _device(settings), folder
        self.recipe = recipe_of(settings["train"])
        self.architecture = architecture_of(settings, classes)
        self.model = build_model(self.architecture)
        self.loss = Loss((1.0,) * classes, settings["train"]["label_smoothing"])
        size = settings["dataset"]["stored_size"]
        self.pixels = np.random.default_rng(0).integers(
            0, 256, (IMAGES, size, size, 3), dtype=np.uint8
        )
        facts = Checkpoint(self.architecture, self.loss, self.recipe.input_size, 1, 1.0, 1.0, 1.0)
        self.checkpoint = folder / "trial.safetensors"
        save_checkpoint(self.model, facts, self.checkpoint)

    def samples(self, n: int) -> Samples:
        return Samples(np.arange(n) % IMAGES, np.arange(n) % self.architecture.classes)

    def train(self, n: int) -> None:
        compute = self.settings["compute"]
        run = Run(
            model=self.model,
            architecture=self.architecture,
            loss=self.loss,
            recipe=self.recipe,
            pixels=self.pixels,
            train=self.samples(n),
            val=self.samples(1),
            device=self.device,
            seed=0,
            folder=self.folder,
            batch_size=compute["batch_size"],
            workers=compute["workers"],
        )
        trial_pass(run)

    def forward(self, n: int) -> None:
        batch_size = self.settings["compute"]["batch_size"]
        size, model = self.recipe.input_size, self.model
        predict(model, self.pixels, self.samples(n), size, batch_size, self.device)

    def gradients(self, n: int) -> None:
        influence = self.settings["influence"]
        beyond = (
            None
            if influence["layers"] == "head"
            else Beyond(influence["layers"], influence["projection_dim"])
        )
        batch_size, precision = self.settings["compute"]["batch_size"], influence["precision"]
        samples = self.samples(n)
        extract_factors(
            self.checkpoint, self.pixels, samples, batch_size, self.device, beyond, precision
        )

    def augment(self, n: int) -> None:
        samples, size = self.samples(n), self.recipe.input_size
        images = TrainingImages(
            self.pixels, samples.ids, samples.labels, self.recipe.augmentation, size
        )
        for position in range(n):
            images[position, position]

    @cached_property
    def width(self) -> int:
        """Numbers that a shard holds per image."""
        return network_of(self.settings, self.architecture.classes).width

    @cached_property
    def crossed(self) -> list[Slot]:
        """The training images of a tile, at every checkpoint."""
        most = NUMBERS / self.width / self.settings["influence"]["checkpoints"]
        return self._gradients(torch.arange(min(CROSSED, int(most))))

    def _gradients(self, ids: Tensor) -> list[Slot]:
        head, classes = final_linear(self.model).in_features + 1, self.architecture.classes
        beyond = self.width - head - classes
        slots: list[Slot] = []
        for _ in range(self.settings["influence"]["checkpoints"]):
            factors = Factors(ids, torch.randn(len(ids), head), torch.randn(len(ids), classes))
            if beyond:
                factors.sketches["backbone"] = Sketches(torch.randn(len(ids), beyond), 1.0)
            slots.append((factors, 1.0))
        return slots

    def cross(self, n: int) -> None:
        """A tile of n test images and those of `crossed`."""
        k = self.settings["influence"]["top_k"]
        test = self._gradients(torch.arange(CROSSED, CROSSED + n))
        tile_table(test, self.crossed, k, self.device, prune=False)

    def pairs(self) -> int:
        """Pairs of a tile that a test image is in, each checkpoint's for one."""
        return len(self.crossed) * len(self.crossed[0][0].sample_id)


def decoder(files: Sequence[Path], size: int) -> Callable[[int], None]:
    """Decodes so many images: of these files, or of one that is like a photograph of the web."""
    sources: list[Any] = list(files)
    if not sources:
        buffer, pixels = io.BytesIO(), np.random.default_rng(0).integers(0, 256, (24, 32, 3))
        image = Image.fromarray(pixels.astype(np.uint8)).resize((500, 375))
        image.save(buffer, "JPEG", quality=90)
        sources = [buffer]

    def work(n: int) -> None:
        for i in range(n):
            source = sources[i % len(sources)]
            if isinstance(source, io.BytesIO):
                with tempfile.NamedTemporaryFile(suffix=".jpg") as file:
                    file.write(source.getvalue())
                    file.flush()
                    decode_image(file.name, size)
            else:
                decode_image(source, size)

    return work


def _device(settings: Mapping[str, Any]) -> torch.device:
    name = settings["compute"]["device"]
    return torch.device(name if name != "auto" else "cuda" if torch.cuda.is_available() else "cpu")


def _start(device: torch.device) -> Rates:
    """Seconds until a job works, and the bytes of memory that it holds then."""
    begin = time.perf_counter()
    said = subprocess.run(
        [sys.executable, "-c", START, str(device)],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=True,
    )
    return {"start": time.perf_counter() - begin, "idle": float(said.stdout)}


def measure(
    settings: Mapping[str, Any],
    classes: int,
    files: Sequence[Path],
    given: Rates,
    seconds: float,
) -> Rates:
    """The given rates, and what they lack, each measured for about six times `seconds`.

    Images per second are `decode` and `augment` (one core), `train`, `forward` and `gradients`;
    `pairs` of a tile per second and checkpoint; `start`, the seconds until a job works, and `idle`,
    the bytes of memory that it holds then.
    """
    rates = _start(_device(settings)) | given
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial(settings, classes, Path(folder))
        work: dict[str, Callable[[int], object]] = {
            "train": trial.train,
            "forward": trial.forward,
            "gradients": trial.gradients,
            "augment": trial.augment,
            "pairs": trial.cross,
            "decode": decoder(files, settings["dataset"]["stored_size"]),
        }
        for name in work.keys() - rates.keys():
            rates[name] = per_second(work[name], seconds) * (
                trial.pairs() if name == "pairs" else 1
            )
    return rates
