"""One forward pass over samples in eval mode: logits, final activations, loss, predictions."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from tqdm import tqdm

from tracin.arithmetic import Precision, ahead, autocast, matrix_units, send, side_by_side
from tracin.frozen import frozen
from tracin.images import normalise, read_batch
from tracin.loss import Loss
from tracin.memory import halving
from tracin.model import final_linear
from tracin.samples import Samples

Item = TypeVar("Item")
LOADERS = 3  # threads that read batches for a GPU, which may take two while one is read


def forward(
    model: nn.Module,
    pixels: np.ndarray,
    ids: np.ndarray,
    input_size: int,
    batch_size: int,
    device: torch.device,
    precision: Precision = "float32",
    differentiable: bool = False,
) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Yield per batch its rows, logits [b, classes] and the final layer's input [b, d].

    Both tensors are float32 and on `device`. A backward pass may start from the logits only if
    `differentiable`, which puts the model in eval mode. Otherwise the cores of a CPU share a batch
    image by image, so that what is yielded is smaller.
    """
    workers = 1 if differentiable else sharers(batch_size, device)
    size = -(-batch_size // workers)
    starts = range(0, len(ids), size)

    def load(start: int) -> Tensor:
        return read_batch(pixels, ids[start : start + size], input_size, device.type == "cuda")

    count = len(starts)
    return passes(model, starts, count, load, workers, device, precision, differentiable)


def sharers(batch_size: int, device: torch.device) -> int:
    """Threads that share a batch image by image: one per core of a CPU."""
    return 1 if device.type != "cpu" else min(torch.get_num_threads(), batch_size)


def passes(
    model: nn.Module,
    items: Iterable[Item],
    count: int,
    load: Callable[[Item], Tensor],
    workers: int,
    device: torch.device,
    precision: Precision = "float32",
    differentiable: bool = False,
) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """What `forward` yields, for the images uint8 [b, 3, H, W] that `load` makes of each item.

    Args:
        count: how many items there are, for the progress bar.
        workers: threads that pass an item each, if `sharers` says so.
    """
    model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    model = model.eval() if differentiable else frozen(model, precision, device)
    loaders = LOADERS if device.type == "cuda" else 1
    with _Look(model, precision, device, differentiable) as look:
        if workers == 1:
            results: Iterator[tuple[Tensor, Tensor]] = map(
                look, ahead(items, load, loaders, device)
            )
        else:
            results = side_by_side(items, lambda item: look(load(item)), workers)
        first = 0
        for logits, inputs in tqdm(results, total=count, desc="forward", unit="batch"):
            yield slice(first, first + len(logits)), logits, inputs
            first += len(logits)


class _Look:
    """A network's logits of a batch, and what went into its final layer; for several threads."""

    def __init__(
        self, model: nn.Module, precision: Precision, device: torch.device, differentiable: bool
    ) -> None:
        self.model, self.final = model, final_linear(model)
        self.precision, self.device, self.differentiable = precision, device, differentiable
        self.seen = threading.local()

    def __enter__(self) -> _Look:
        self.hook = self.final.register_forward_pre_hook(self._keep)
        return self

    def __exit__(self, *_: object) -> None:
        self.hook.remove()

    def _keep(self, _: nn.Module, inputs: tuple[Tensor]) -> None:
        self.seen.inputs = inputs[0]

    def __call__(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        units = matrix_units(self.precision, self.device)
        with torch.inference_mode(not self.differentiable), units:
            with autocast(self.precision, self.device):
                logits = self.model(normalise(send(batch, self.device)))
            inputs = self.seen.__dict__.pop("inputs").float()
            if self.precision == "bfloat16":
                # The error is p - y: eight bits of a logit, or ten, leave little of a small one.
                with matrix_units("float32", self.device):
                    logits = self.final(inputs)
                del self.seen.inputs
        return logits, inputs


def evaluate(
    model: nn.Module,
    loss: Loss,
    pixels: np.ndarray,
    samples: Samples,
    input_size: int,
    batch_size: int,
    device: torch.device,
) -> tuple[float, float]:
    """Mean per-sample loss and accuracy of `samples`; smaller batches where memory runs out."""
    labels = torch.from_numpy(samples.labels).to(device)

    def by(size: int) -> tuple[float, float]:
        # Kept on the device: asking for a number in every batch would wait for the GPU each time.
        losses, right = [], []
        for rows, logits, _ in forward(model, pixels, samples.ids, input_size, size, device):
            losses.append(loss.per_sample(logits, labels[rows]).sum())
            right.append((logits.argmax(dim=1) == labels[rows]).sum())
        mean, share = (sum(torch.stack(each).tolist()) / len(samples) for each in (losses, right))
        return mean, share

    return halving(batch_size, by)


def predict(
    model: nn.Module,
    pixels: np.ndarray,
    samples: Samples,
    input_size: int,
    batch_size: int,
    device: torch.device,
) -> pd.DataFrame:
    """Columns sample_id, label_index, predicted_index, confidence, probabilities (a list).

    Works in smaller batches where memory runs out.
    """

    def by(size: int) -> list[Tensor]:
        passes = forward(model, pixels, samples.ids, input_size, size, device)
        return [logits.softmax(dim=1) for _, logits, _ in passes]

    probabilities = torch.cat(halving(batch_size, by)).cpu().numpy()
    return pd.DataFrame(
        {
            "sample_id": samples.ids,
            "label_index": samples.labels.astype(np.int16),
            "predicted_index": probabilities.argmax(axis=1).astype(np.int16),
            "confidence": probabilities.max(axis=1),
            "probabilities": list(probabilities),
        }
    )
