"""One forward pass over samples in eval mode: logits, final activations, loss, predictions."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from tqdm import tqdm

from tracin.arithmetic import Precision, ahead, autocast, matrix_units, send
from tracin.images import normalise, read_batch
from tracin.loss import Loss
from tracin.memory import halving
from tracin.model import final_linear
from tracin.samples import Samples


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

    The model is put in eval mode; both tensors are float32 and on `device`. A backward pass may
    start from the logits only if `differentiable`.
    """
    model.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    seen: list[Tensor] = []
    final = final_linear(model)
    hook = final.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    starts = range(0, len(ids), batch_size)
    batches = ahead(starts, lambda at: read_batch(pixels, ids[at : at + batch_size], input_size))
    try:
        for start, batch in tqdm(
            zip(starts, batches, strict=True), total=len(starts), desc="forward", unit="batch"
        ):
            with torch.inference_mode(not differentiable), matrix_units(precision):
                with autocast(precision, device):
                    logits = model(normalise(send(batch, device)))
                inputs = seen.pop().float()
                if precision == "bfloat16":
                    # The error is p - y: eight bits of a logit would leave little of a small one.
                    logits = final(inputs)
                    seen.clear()
            yield slice(start, min(start + batch_size, len(ids))), logits, inputs
    finally:
        hook.remove()


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
        total, right = 0.0, 0
        for rows, logits, _ in forward(model, pixels, samples.ids, input_size, size, device):
            total += float(loss.per_sample(logits, labels[rows]).sum())
            right += int((logits.argmax(dim=1) == labels[rows]).sum())
        return total / len(samples), right / len(samples)

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
        return [logits.softmax(dim=1).cpu() for _, logits, _ in passes]

    probabilities = torch.cat(halving(batch_size, by)).numpy()
    return pd.DataFrame(
        {
            "sample_id": samples.ids,
            "label_index": samples.labels.astype(np.int16),
            "predicted_index": probabilities.argmax(axis=1).astype(np.int16),
            "confidence": probabilities.max(axis=1),
            "probabilities": list(probabilities),
        }
    )
