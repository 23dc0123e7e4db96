"""Networks and images that the benchmarks share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

from tracin.checkpoints import Checkpoint, save_checkpoint
from tracin.images import normalise, read_batch
from tracin.loss import Loss
from tracin.model import Architecture, build_model


def random_images(count: int, size: int) -> np.ndarray:
    """Noise, uint8 [count, size, size, 3]: what is in an image does not change the work."""
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def untrained(folder: Path, name: str, slots: int, size: int, classes: int = 10) -> list[Path]:
    """Checkpoints of a network with random weights and plausible batch statistics."""
    architecture, paths = Architecture(name, classes), []
    for slot in range(slots):
        torch.manual_seed(slot)
        model = build_model(architecture)
        settle(model, size)
        paths.append(folder / f"{slot}.safetensors")
        loss = Loss((1.0,) * classes)
        facts = Checkpoint(architecture, loss, size, slot + 1, 1e-3, 1e-4, 1.0)
        save_checkpoint(model, facts, paths[-1])
    return paths


def settle(model: nn.Module, size: int) -> None:
    """Set the running statistics from one batch of noise, so that activations stay in range."""
    model.train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
    with torch.no_grad():
        model(torch.randn(32, 3, size, size))
    model.eval()


def digits(copies: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The built-in digits, `copies` times with small shifts and noise: images and labels."""
    data, rng = load_digits(), np.random.default_rng(seed)
    images = np.repeat(np.kron(data.images * (255 / 16), np.ones((4, 4))), copies, axis=0)
    for image, shift in zip(images, rng.integers(-4, 5, (len(images), 2)), strict=True):
        image[:] = np.roll(image, shift, axis=(0, 1))
    noisy = np.clip(images + rng.normal(0, 20, images.shape), 0, 255).astype(np.uint8)
    return np.repeat(noisy[..., None], 3, axis=3), np.repeat(data.target, copies)


def trained(slots: list[Path]) -> tuple[np.ndarray, np.ndarray]:
    """Train a ResNet-50 on digits with a tenth of the labels wrong, an epoch for each slot.

    Returns:
        Images uint8 [17970, 32, 32, 3] and labels [17970], of which it saw the first 3,000.
    """
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    images, labels = digits(10, 0)
    order = rng.permutation(len(labels))
    images, labels = images[order], labels[order].astype(np.int64)
    wrong = rng.random(len(labels)) < 0.1
    labels[wrong] = rng.integers(0, 10, wrong.sum())
    architecture, loss = Architecture("resnet50", classes=10), Loss((1.0,) * 10)
    model = build_model(architecture).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    for epoch, path in enumerate(slots, 1):
        model.train()
        for rows in torch.randperm(3000).split(60):
            batch = normalise(read_batch(images, rows.numpy(), 32))
            value = loss.per_sample(model(batch), torch.from_numpy(labels[rows])).mean()
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
        facts = Checkpoint(architecture, loss, 32, epoch, 1e-3, 1e-3, value.item())
        save_checkpoint(model, facts, path)
    return images, labels
