"""One forward pass over samples in eval mode: logits, final activations, loss, predictions."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from tqdm import tqdm

from tracin.images import normalise, read_batch
from tracin.loss import Loss
from tracin.model import final_linear
from tracin.samples import Samples


def forward(
    model: nn.Module,
    pixels: np.ndarray,
    ids: np.ndarray,
    input_size: int,
    batch_size: int,
    device: torch.device,
) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Yield per batch its rows, logits [b, classes] and the final layer's input [b, d].

    The model is put in eval mode; both tensors are float32 and on `device`.
    """
    model.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    seen: list[Tensor] = []
    hook = final_linear(model).register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    try:
        for start in tqdm(range(0, len(ids), batch_size), desc="forward", unit="batch"):
            rows = slice(start, min(start + batch_size, len(ids)))
            with torch.inference_mode():
                logits = model(normalise(read_batch(pixels, ids[rows], input_size).to(device)))
            yield rows, logits.float(), seen.pop().float()
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
    """Mean per-sample loss and accuracy of `samples`."""
    total, right = 0.0, 0
    labels = torch.from_numpy(samples.labels).to(device)
    for rows, logits, _ in forward(model, pixels, samples.ids, input_size, batch_size, device):
        total += float(loss.per_sample(logits, labels[rows]).sum())
        right += int((logits.argmax(dim=1) == labels[rows]).sum())
    return total / len(samples), right / len(samples)


def predict(
    model: nn.Module,
    pixels: np.ndarray,
    samples: Samples,
    input_size: int,
    batch_size: int,
    device: torch.device,
) -> pd.DataFrame:
    """Columns sample_id, label_index, predicted_index, confidence, probabilities (a list)."""
    parts = [
        logits.softmax(dim=1).cpu()
        for _, logits, _ in forward(model, pixels, samples.ids, input_size, batch_size, device)
    ]
    probabilities = torch.cat(parts).numpy()
    return pd.DataFrame(
        {
            "sample_id": samples.ids,
            "label_index": samples.labels.astype(np.int16),
            "predicted_index": probabilities.argmax(axis=1).astype(np.int16),
            "confidence": probabilities.max(axis=1),
            "probabilities": list(probabilities),
        }
    )
