"""Training dynamics: what the training batches' own logits say of each sample, at no extra cost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from tracin.files import atomic_path

# Weight of the past in the running mean of log-probabilities (temporal ensembling: Laine and
# Aila, ICLR 2017, section 2.2): about the last five epochs count.
DECAY = 0.8
NOTED = 32  # batches that are written down at once


def margins(logits: Tensor, labels: Tensor) -> Tensor:
    """Logit of the given label minus the largest other one, [n], from logits [n, classes]."""
    own = logits.gather(1, labels[:, None])
    others = logits.scatter(1, labels[:, None], float("-inf"))
    return (own - others.max(dim=1, keepdim=True).values).squeeze(1)


class Dynamics:
    """Cross-entropy, margin and prediction of each of n training samples in each epoch.

    Taken from the augmented training batches before each step, as the area under the margin
    defines it (Pleiss et al., NeurIPS 2020). The cross-entropy is -log p_y, whatever the class
    weights and the label smoothing of training. A sample that an epoch left out is NaN there,
    with prediction -1.
    """

    def __init__(self, sample_id: np.ndarray, classes: int, device: torch.device) -> None:
        self.sample_id = torch.from_numpy(sample_id)
        self.loss: list[Tensor] = []  # float32 [n] per epoch
        self.margin: list[Tensor] = []  # float32 [n] per epoch
        self.predicted: list[Tensor] = []  # int16 [n] per epoch
        self._log_probabilities = torch.zeros(len(sample_id), classes, device=device)
        self._weight = torch.zeros(len(sample_id), 1, device=device)
        # Batches that no table has yet. A GPU sorts the rows of each write, for as long as a small
        # network takes a step, so many are written at once: an epoch has each row once.
        self._noted: list[tuple[Tensor, Tensor, Tensor]] = []

    def start_epoch(self) -> None:
        """Begin the next row of each table."""
        self.write_down()
        n, device = len(self.sample_id), self._weight.device
        self.loss.append(torch.full((n,), float("nan"), device=device))
        self.margin.append(torch.full((n,), float("nan"), device=device))
        self.predicted.append(torch.full((n,), -1, dtype=torch.int16, device=device))

    def record(self, rows: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Note a batch: rows [b] of the samples, logits [b, classes], labels [b]."""
        self._noted.append((rows, logits.detach(), labels))
        if len(self._noted) == NOTED:
            self.write_down()

    def write_down(self) -> None:
        """Put what was noted into the tables: before anything is read or the epoch ends."""
        if not self._noted:
            return
        rows, logits, labels = (torch.cat(part) for part in zip(*self._noted, strict=True))
        self._noted = []
        logs = logits.log_softmax(dim=1)
        self.loss[-1][rows] = -logs.gather(1, labels[:, None]).squeeze(1)
        self.margin[-1][rows] = margins(logits, labels)
        self.predicted[-1][rows] = logits.argmax(dim=1).to(torch.int16)
        self._log_probabilities[rows] = DECAY * self._log_probabilities[rows] + logs
        self._weight[rows] = DECAY * self._weight[rows] + 1.0

    def accuracy(self, labels: Tensor) -> float:
        """Share of the samples seen in the last epoch that were predicted as labels [n] say."""
        self.write_down()
        seen = self.predicted[-1] >= 0
        return float((self.predicted[-1] == labels)[seen].float().mean())

    def state_dict(self) -> dict[str, Any]:
        """All that `load_state_dict` of another recorder of the same samples needs to go on."""
        self.write_down()
        return {n: value for n, value in vars(self).items() if n not in ("sample_id", "_noted")}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        device = self._weight.device
        for name, value in state.items():
            moved = [v.to(device) for v in value] if isinstance(value, list) else value.to(device)
            setattr(self, name, moved)

    def save(self, path: Path | str) -> None:
        """Write sample_id [n]; loss, margin, predicted [epochs, n]; log_probabilities [n, classes].

        The last is the weighted mean over the epochs, the recent ones weighing most.
        """
        self.write_down()
        tensors = {
            "sample_id": self.sample_id,
            "loss": torch.stack(self.loss).cpu(),
            "margin": torch.stack(self.margin).cpu(),
            "predicted": torch.stack(self.predicted).cpu(),
            "log_probabilities": (self._log_probabilities / self._weight.clamp(min=1.0)).cpu(),
        }
        with atomic_path(path) as temporary:
            save_file(tensors, temporary)


def read_dynamics(path: Path | str) -> dict[str, np.ndarray]:
    """The arrays that `Dynamics.save` wrote, by name."""
    return {name: tensor.numpy() for name, tensor in load_file(path).items()}
