"""What a training run is told: the recipe, and the network and data it is for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from tracin.checkpoints import weights_hash
from tracin.dynamics import Dynamics
from tracin.images import Augmentation
from tracin.loss import Loss
from tracin.model import Architecture
from tracin.samples import Samples
from tracin.training_state import Progress, digest


@dataclass(frozen=True)
class Recipe:
    """Every setting that training's result depends on."""

    input_size: int
    batch_size: int
    head_epochs: int
    epochs: int
    learning_rate_head_stage: float
    learning_rate_head: float
    learning_rate_backbone: float
    optimizer: Literal["adamw", "sgd"]
    weight_decay: float
    momentum: float
    schedule: Literal["plateau", "cosine"]
    plateau_factor: float
    plateau_patience: int
    patience: int
    checkpoint_every: int
    precision: Literal["float32", "bfloat16"]
    augmentation: Augmentation


def recipe_of(settings: Mapping[str, Any]) -> Recipe:
    """The recipe of the `train` settings."""
    given = {f.name: settings[f.name] for f in fields(Recipe)}
    return Recipe(**given | {"augmentation": Augmentation(**settings["augmentation"])})


@dataclass
class Run:
    """One training run on its way: network, loss, data, and a folder for its state alone.

    `origin` names what else its result depends on, as `StateFolder` wants it.
    """

    model: nn.Module
    architecture: Architecture
    loss: Loss
    recipe: Recipe
    pixels: np.ndarray
    train: Samples
    val: Samples
    device: torch.device
    seed: int
    folder: Path
    batch_size: int
    workers: int = 0
    origin: Mapping[str, str] = field(default_factory=dict)
    progress: Progress = field(default_factory=Progress)

    def __post_init__(self) -> None:
        self.dynamics = Dynamics(self.train.ids, self.architecture.classes, self.device)

    def fingerprint(self) -> dict[str, str]:
        """What the result depends on, before the first step."""
        settings = (self.recipe, self.architecture, self.loss, self.seed)
        labels = (self.train.ids, self.train.labels, self.val.ids, self.val.labels)
        return {
            "settings": digest([repr(settings).encode()]),
            "labels": digest(array.tobytes() for array in labels),
            "first weights": weights_hash(self.model.state_dict()),
            "torch version": str(torch.__version__),
            **self.origin,
        }
