"""Weights on disk: safetensors with enough metadata to rebuild the network and its loss."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from tracin.errors import UserError
from tracin.files import atomic_path
from tracin.loss import Loss
from tracin.model import Architecture, build_model
from tracin.tensors import readable


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint says of itself."""

    architecture: Architecture
    loss: Loss
    input_size: int
    epoch: int
    learning_rate_head: float
    learning_rate_backbone: float
    train_loss: float
    weights_sha256: str = ""


class _Unset(TorchFunctionMode):
    """Draws no weights: where there is no memory for them, that loads torch's compiler first."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Collection[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func in (Tensor.normal_, Tensor.uniform_):
            return args[0]
        return func(*args, **(kwargs or {}))


def weights_hash(state: dict[str, Tensor]) -> str:
    """SHA-256 over names and bytes of all tensors, in name order."""
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(name.encode())
        digest.update(state[name].cpu().contiguous().numpy().data)
    return digest.hexdigest()


def save_checkpoint(model: nn.Module, checkpoint: Checkpoint, path: Path | str) -> None:
    """Write the weights of `model` and `checkpoint` as metadata, atomically."""
    state = {k: v.detach().cpu().contiguous() for k, v in model.state_dict().items()}
    facts = asdict(checkpoint) | {"weights_sha256": weights_hash(state)}
    metadata = {key: json.dumps(value) for key, value in facts.items()}
    with atomic_path(path) as temporary:
        save_file(state, temporary, metadata=metadata)


def read_metadata(path: Path | str) -> Checkpoint:
    """The metadata of a checkpoint.

    Raises:
        UserError: the file is not a checkpoint of this workflow.
    """
    with readable(path), safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
    try:
        facts = {key: json.loads(value) for key, value in metadata.items()}
        architecture = facts.pop("architecture")
        loss = facts.pop("loss")
        architecture["hidden"] = tuple(architecture["hidden"])
        loss["class_weights"] = tuple(loss["class_weights"])
        return Checkpoint(architecture=Architecture(**architecture), loss=Loss(**loss), **facts)
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise UserError(
            f"{path} is not a checkpoint of this workflow ({error}). Delete it and run again."
        ) from error


def load_checkpoint(path: Path | str) -> tuple[nn.Module, Checkpoint]:
    """The network of a checkpoint, in eval mode on the CPU, and its metadata.

    Raises:
        UserError: the file is damaged: cut short, with other weights than those that the
            metadata's hash was taken of, or with weights that are no numbers or another network's.
    """
    checkpoint = read_metadata(path)
    with readable(path):
        state = load_file(path)
    if weights_hash(state) != checkpoint.weights_sha256:
        raise UserError(
            f"{path} is damaged: its weights do not match their hash. Delete it and run again."
        )
    # A sum holds what any of its terms holds, and takes a third of the time of asking each. torch's
    # threads would wait for one another in each, for seconds where other work has their cores.
    sums = {name: t.numpy().sum(dtype=np.float64) for name, t in state.items()}
    broken = [name for name, total in sums.items() if not np.isfinite(total)]
    if broken:
        raise UserError(
            f"{path} holds NaN or infinity in {broken[:3]}. Delete it, lower train.learning_rate_* "
            "and run again."
        )
    # Random weights that are replaced at once would cost as much again.
    with torch.device("meta"), _Unset():
        model = build_model(checkpoint.architecture)
    try:
        model.load_state_dict(state, assign=True)
    except RuntimeError as error:
        raise UserError(
            f"{path} holds the weights of another network than {checkpoint.architecture.name}. "
            "Delete it and run again."
        ) from error
    return model.eval(), checkpoint
