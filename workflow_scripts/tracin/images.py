"""Images as tensors: the memory map, the one deterministic view, and training augmentation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset, Sampler, default_collate

from tracin.mapped import let_go
from tracin.tensors import constant
from tracin.vision import v2

# ImageNet's channel statistics, as torchvision's published weights expect them.
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Augmentation:
    """Random changes of a training image; a view of `input_size` pixels comes out."""

    crop_scale: tuple[float, float] = (0.8, 1.0)
    horizontal_flip: bool = True
    rotation: float = 0.0  # degrees, at most
    color_jitter: float = 0.0  # by which brightness, contrast and saturation change, at most
    erasing: float = 0.0  # how often a rectangle is painted over


class RandomView:
    """uint8 [H, W, 3] -> uint8 [3, input_size, input_size]: an augmented view.

    Rotated, cropped, flipped, its colours changed, a part erased, as torchvision's five transforms
    do one after another, bit for bit. But the first three copy no more than the crop, and in the
    order of a pixel map, which torch resizes fastest.
    """

    def __init__(self, augmentation: Augmentation, input_size: int) -> None:
        degrees, self.flips = augmentation.rotation, augmentation.horizontal_flip
        bilinear = v2.InterpolationMode.BILINEAR
        self.rotate = v2.RandomRotation(degrees, bilinear) if degrees else None
        self.crop = v2.RandomResizedCrop(input_size, scale=augmentation.crop_scale)
        jitter, erasing = augmentation.color_jitter, augmentation.erasing
        self.changes: list[nn.Module] = [v2.ColorJitter(*[jitter] * 3)] if jitter else []
        if erasing:
            colour = [255 * value for value in MEAN]
            self.changes.append(v2.RandomErasing(erasing, value=colour))

    def __call__(self, image: np.ndarray) -> Tensor:
        if self.rotate:
            image = self.rotate(_planes(np.array(image))).permute(1, 2, 0).numpy()
        at = self.crop.make_params([torch.empty(3, *image.shape[:2], device="meta")])
        rows = slice(at["top"], at["top"] + at["height"])
        columns = slice(at["left"], at["left"] + at["width"])
        view: Tensor = v2.functional.resize(
            _planes(np.array(image[rows, columns])), self.crop.size, antialias=True
        )
        # The same draw as RandomHorizontalFlip's.
        if self.flips and torch.rand(1) < 0.5:
            view = view.flip(-1)
        for change in self.changes:
            view = change(view)
        return view


def _planes(image: np.ndarray) -> Tensor:
    """[H, W, 3] seen as [3, H, W]."""
    return torch.from_numpy(image).permute(2, 0, 1)


def open_pixels(path: Path | str) -> np.ndarray:
    """The decoded images, uint8 [n, H, W, 3], memory-mapped read-only."""
    pixels: np.ndarray = np.load(path, mmap_mode="r")
    return pixels


def read_batch(
    pixels: np.ndarray, ids: np.ndarray, input_size: int, pinned: bool = False
) -> Tensor:
    """The deterministic view of some images: uint8 [n, 3, input_size, input_size], centre crop.

    In page-locked memory, from where a GPU takes it, if `pinned`.
    """
    top = (pixels.shape[1] - input_size) // 2
    left = (pixels.shape[2] - input_size) // 2
    if pinned:
        crops = pixels[:, top : top + input_size, left : left + input_size]
        batch = torch.empty(len(ids), *crops.shape[1:], dtype=torch.uint8, pin_memory=True)
        for image, sample in zip(batch.numpy(), ids, strict=True):
            image[:] = crops[sample]
    else:
        crop = pixels[ids, top : top + input_size, left : left + input_size]
        batch = torch.from_numpy(np.ascontiguousarray(crop))
    let_go(pixels[np.min(ids) : np.max(ids) + 1])
    return batch.permute(0, 3, 1, 2)


def normalise(batch: Tensor) -> Tensor:
    """uint8 [n, 3, H, W] -> float32 in channels_last order, with ImageNet's mean and deviation."""
    mean, std = (constant(x, torch.float32, batch.device).view(1, 3, 1, 1) for x in (MEAN, STD))
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
        self.view = RandomView(augmentation, input_size)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, item: tuple[int, int]) -> tuple[Tensor, int, int]:
        position, seed = item
        image = self.pixels[self.ids[position]]
        # Seeding each sample makes the result independent of the number of loader workers.
        with _seeded(seed):
            view = self.view(image)
        let_go(image)
        return view, int(self.labels[position]), position


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed torch's CPU generator for the block, and restore it after.

    `torch.manual_seed` turns to the generators of all kinds of devices too, which takes longer than
    to crop and resize an image.
    """
    before = torch.default_generator.get_state()
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        torch.default_generator.set_state(before)


def start_method(workers: int) -> str | None:
    """How a loader's workers begin: as copies of the process, whatever the platform's custom.

    One that began anew would run the job's script again, and read all images into its memory.
    """
    return "fork" if workers else None


def collate(items: Sequence[tuple[Tensor, int, int]]) -> tuple[Tensor, Tensor, Tensor]:
    """Items as a batch: views [b, 3, H, W] in channels_last order, classes [b], positions [b]."""
    views, labels, positions = default_collate(
        [(view.permute(1, 2, 0), label, position) for view, label, position in items]
    )
    return views.permute(0, 3, 1, 2), labels, positions


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
