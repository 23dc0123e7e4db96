"""Per-sample gradients: of the final linear layer by factors, of layers before it by sketches.

The gradient of sample i's loss by the last weight and bias together is error_i (outer)
[activation_i, 1], so a row of activations (with a last column of ones) and a row of errors hold all
of it, and no backward pass is taken (TracInCP restricted to the last layer: Pruthi et al. 2020,
section 3.3). Layers before it take one backward pass, to the first of them, and none by weights.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tracin.arithmetic import Precision, matrix_units
from tracin.checkpoints import load_checkpoint
from tracin.errors import UserError
from tracin.inference import forward
from tracin.memory import halving
from tracin.model import Layers
from tracin.samples import Samples
from tracin.shards import Factors, Sketches, by_slot, read_factors, save_shard
from tracin.sketch import Sketcher

__all__ = ["Beyond", "Factors", "by_slot", "extract_factors", "read_factors", "save_shard"]


@dataclass(frozen=True)
class Beyond:
    """Layers before the last that are looked at too, and how many rows their projections have."""

    layers: Layers
    dimension: int


def extract_factors(
    checkpoint_path: Path | str,
    pixels: np.ndarray,
    samples: Samples,
    batch_size: int,
    device: torch.device,
    beyond: Beyond | None = None,
    precision: Precision = "float32",
) -> tuple[Factors, float]:
    """The factors of `samples` and the head's learning rate at a checkpoint.

    Works in smaller batches where memory runs out.

    Raises:
        UserError: a factor is NaN or infinite; sample and checkpoint are named.
    """

    def by(size: int) -> tuple[list[dict[str, Tensor]], dict[str, float]]:
        return _extract(checkpoint_path, pixels, samples, size, device, beyond, precision)

    batches, rates = halving(batch_size, by)
    factors = _joined(samples.ids, batches, rates)
    _check_finite(factors, checkpoint_path)
    return factors, rates["head"]


def _extract(
    checkpoint_path: Path | str,
    pixels: np.ndarray,
    samples: Samples,
    batch_size: int,
    device: torch.device,
    beyond: Beyond | None,
    precision: Precision,
) -> tuple[list[dict[str, Tensor]], dict[str, float]]:
    """Each batch's activations, errors and sketches, on the device; the parts' learning rates."""
    model, facts = load_checkpoint(checkpoint_path)
    model.to(device)
    labels = torch.from_numpy(samples.labels).to(device)
    found: list[dict[str, Tensor]] = []
    with Sketcher(model, beyond.layers, beyond.dimension) if beyond else nullcontext() as sketcher:
        passes = forward(
            model,
            pixels,
            samples.ids,
            facts.input_size,
            batch_size,
            device,
            precision,
            differentiable=sketcher is not None,
        )
        for rows, logits, inputs in passes:
            errors = facts.loss.errors(logits.detach(), labels[rows])
            activations = functional.pad(inputs.detach(), (0, 1), value=1.0)
            with matrix_units(precision, device):
                sketches = sketcher.backward(logits, errors) if sketcher else {}
            found.append({"activations": activations, "errors": errors, **sketches})
    return found, {"head": facts.learning_rate_head, "backbone": facts.learning_rate_backbone}


def _joined(ids: np.ndarray, batches: list[dict[str, Tensor]], rates: dict[str, float]) -> Factors:
    """The factors of all batches; what is neither activations nor errors is a part's sketch."""
    # Copied at the end, as a copy waits for its batch; joined here, as a GPU may lack the memory.
    names = list(batches[0])
    joined = {name: torch.cat([batch.pop(name).cpu() for batch in batches]) for name in names}
    return Factors(
        torch.from_numpy(ids),
        joined.pop("activations"),
        joined.pop("errors"),
        {part: Sketches(values, rates[part]) for part, values in joined.items()},
    )


def _check_finite(factors: Factors, checkpoint: Path | str) -> None:
    tensors = [factors.activations, factors.errors, *(s.values for s in factors.sketches.values())]
    finite = torch.stack([torch.isfinite(t).all(dim=1) for t in tensors]).all(dim=0)
    if not finite.all():
        bad = factors.sample_id[~finite][:5].tolist()
        raise UserError(
            f"{checkpoint} gives a NaN or infinite gradient for sample {bad[0]} "
            f"(all: {bad}, {int((~finite).sum())} in number). Look at these images, "
            "or train with a lower learning rate."
        )
