"""Images as tensors: the memory map, the one deterministic view, and training augmentation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from tracin.vision import v2

# ImageNet's channel statistics, as torchvision's published weights expect them.
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Augmentation:
    """Random changes of a training image; a view of `input_size` pixels comes out."""

    crop_scale: tuple[float, float] = (0.8, 1.0)
    horizontal_flip: bool = True
    rotation: float = 0.0

    def transform(self, input_size: int) -> v2.Compose:
        """uint8 [3, H, W] -> uint8 [3, input_size, input_size]."""
        steps: list[torch.nn.Module] = []
        if self.rotation:
            steps.append(v2.RandomRotation(self.rotation, v2.InterpolationMode.BILINEAR))
        steps.append(v2.RandomResizedCrop(input_size, scale=self.crop_scale, antialias=True))
        if self.horizontal_flip:
            steps.append(v2.RandomHorizontalFlip())
        return v2.Compose(steps)


def open_pixels(path: Path | str) -> np.ndarray:
    """The decoded images, uint8 [n, H, W, 3], memory-mapped read-only."""
    pixels: np.ndarray = np.load(path, mmap_mode="r")
    return pixels


def read_batch(pixels: np.ndarray, ids: np.ndarray, input_size: int) -> Tensor:
    """The deterministic view of some images: uint8 [n, 3, input_size, input_size], centre crop."""
    top = (pixels.shape[1] - input_size) // 2
    left = (pixels.shape[2] - input_size) // 2
    crop = pixels[ids, top : top + input_size, left : left + input_size]
    return torch.from_numpy(np.ascontiguousarray(crop)).permute(0, 3, 1, 2)


def normalise(batch: Tensor) -> Tensor:
    """uint8 [n, 3, H, W] -> float32 in channels_last order, with ImageNet's mean and deviation."""
    mean = torch.tensor(MEAN, device=batch.device).view(1, 3, 1, 1)
    std = torch.tensor(STD, device=batch.device).view(1, 3, 1, 1)
    scaled = (batch.float() / 255.0 - mean) / std
    return scaled.contiguous(memory_format=torch.channels_last)


class TrainingImages(Dataset[tuple[Tensor, int, int]]):
    """Augmented training images; item (position, seed) is the same whoever asks and when.

    An item is the view uint8 [3, input_size, input_size], its class index and its position.
    """

    def __init__(
        self,
        pixels: np.ndarray,
        ids: np.ndarray,
        labels: np.ndarray,
        augmentation: Augmentation,
        input_size: int,
    ) -> None:
        self.pixels, self.ids, self.labels = pixels, ids, labels
        self.transform = augmentation.transform(input_size)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, item: tuple[int, int]) -> tuple[Tensor, int, int]:
        position, seed = item
        image = torch.from_numpy(np.array(self.pixels[self.ids[position]])).permute(2, 0, 1)
        # Seeding each sample makes the result independent of the number of loader workers.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            view: Tensor = self.transform(image)
        return view, int(self.labels[position]), position


class EpochSampler(Sampler[tuple[int, int]]):
    """A shuffled pass over `size` positions, each with its own augmentation seed."""

    def __init__(self, size: int, seed: int) -> None:
        self.size, self.seed, self.epoch = size, seed, 0

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[tuple[int, int]]:
        generator = np.random.default_rng([self.seed, self.epoch])
        order: Sequence[int] = generator.permutation(self.size).tolist()
        seeds: Sequence[int] = generator.integers(0, 2**62, self.size).tolist()
        return iter(zip(order, seeds, strict=True))
