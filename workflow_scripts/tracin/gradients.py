"""Per-sample gradients of the final linear layer, kept as their two factors.

The gradient of sample i's loss by weight and bias together is error_i (outer) [activation_i, 1],
so a row of activations (with a last column of ones) and a row of errors hold all of it. No backward
pass is taken (TracInCP restricted to the last layer: Pruthi et al. 2020, section 3.3).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from tracin.checkpoints import load_checkpoint
from tracin.files import atomic_path
from tracin.inference import forward
from tracin.samples import Samples, block_rows


@dataclass
class Factors:
    """Gradient factors of n samples at one checkpoint."""

    sample_id: Tensor  # int64 [n]
    activations: Tensor  # float32 [n, d + 1], the last column ones: the bias
    errors: Tensor  # float32 [n, classes], d loss / d logits


def extract_factors(
    checkpoint_path: Path | str,
    pixels: np.ndarray,
    samples: Samples,
    batch_size: int,
    device: torch.device,
) -> tuple[Factors, float]:
    """The factors of `samples` and the head's learning rate at a checkpoint.

    Raises:
        FloatingPointError: a factor is NaN or infinite; sample and checkpoint are named.
    """
    model, facts = load_checkpoint(checkpoint_path)
    labels = torch.from_numpy(samples.labels).to(device)
    activations, errors = [], []
    for rows, logits, inputs in forward(
        model, pixels, samples.ids, facts.input_size, batch_size, device
    ):
        ones = torch.ones(len(inputs), 1, device=device)
        activations.append(torch.cat([inputs, ones], dim=1).cpu())
        errors.append(facts.loss.errors(logits, labels[rows]).cpu())
    factors = Factors(torch.from_numpy(samples.ids), torch.cat(activations), torch.cat(errors))
    finite = torch.isfinite(factors.activations).all(1) & torch.isfinite(factors.errors).all(1)
    if not finite.all():
        bad = factors.sample_id[~finite][:5].tolist()
        raise FloatingPointError(
            f"{checkpoint_path} gives a NaN or infinite gradient for sample {bad[0]} "
            f"(all: {bad}, {int((~finite).sum())} in number). Look at these images, "
            "or train with a lower learning rate."
        )
    return factors, facts.learning_rate_head


def save_shard(
    factors: Factors, rows: slice, total: int, learning_rate: float, path: Path | str
) -> None:
    """Write one block: rows `rows` of the `total` samples of its split."""
    tensors = {
        "sample_id": factors.sample_id,
        "activations": factors.activations.contiguous(),
        "errors": factors.errors.contiguous(),
    }
    metadata = {"start": str(rows.start), "total": str(total), "learning_rate": repr(learning_rate)}
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, metadata=metadata)


def read_factors(
    shards: Sequence[Path | str], block: int = 0, blocks: int = 1
) -> tuple[Factors, float]:
    """Rows of one tile block out of the shards of one checkpoint and split, and the learning rate.

    Shards are cut independently of tiles; only the rows that overlap are read.

    Raises:
        ValueError: the shards do not cover every row of the block exactly once, or disagree.
    """
    with ExitStack() as stack:
        files = [stack.enter_context(safe_open(path, framework="pt")) for path in shards]
        facts = [file.metadata() for file in files]
        if len({(fact["total"], fact["learning_rate"]) for fact in facts}) != 1:
            raise ValueError(f"{list(shards)} are of different runs: delete them and rerun.")
        rows = block_rows(int(facts[0]["total"]), block, blocks)
        order = sorted(range(len(files)), key=lambda i: int(facts[i]["start"]))
        parts, position = [], rows.start
        for i in order:
            start, ids = int(facts[i]["start"]), files[i].get_slice("sample_id")
            low, high = max(rows.start, start), min(rows.stop, start + ids.get_shape()[0])
            if low >= high:
                continue
            if low != position:
                raise ValueError(f"{shards[i]} does not continue the rows before it: rerun it.")
            names = ("sample_id", "activations", "errors")
            parts.append([files[i].get_slice(n)[low - start : high - start] for n in names])
            position = high
        if position != rows.stop:
            raise ValueError(f"{list(shards)} lack rows {position} to {rows.stop}: rerun them.")
    joined = Factors(*(torch.cat(tensors) for tensors in zip(*parts, strict=True)))
    return joined, float(facts[0]["learning_rate"])


def by_slot(
    slots: Sequence[Sequence[Path | str]], block: int = 0, blocks: int = 1
) -> Iterator[tuple[Factors, float]]:
    """`read_factors` for each slot in turn, so that one slot is in memory at a time."""
    for shards in slots:
        yield read_factors(shards, block, blocks)
