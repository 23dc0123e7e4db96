"""The training loss per sample, and its gradient with respect to the logits in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from torch import Tensor

from tracin.errors import UserError
from tracin.tensors import constant


@dataclass(frozen=True)
class Loss:
    """Weighted cross-entropy with label smoothing, as `torch.nn.CrossEntropyLoss` defines it.

    The batch loss is the plain mean of the per-sample losses, so a class weight keeps its effect
    at any batch size (torch's weighted mean divides it away at batch size 1).
    """

    class_weights: tuple[float, ...]
    label_smoothing: float = 0.0

    def _weights(self, logits: Tensor) -> Tensor:
        return constant(self.class_weights, logits.dtype, logits.device)

    def per_sample(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Loss of each sample, [n], from logits [n, classes] and labels [n]."""
        return functional.cross_entropy(
            logits,
            labels,
            weight=self._weights(logits),
            label_smoothing=self.label_smoothing,
            reduction="none",
        )

    def errors(self, logits: Tensor, labels: Tensor) -> Tensor:
        """d loss / d logits, [n, classes].

        With targets q_c = (1 - s) w_y [c = y] + (s / C) w_c the loss is -sum_c q_c log p_c, whose
        gradient is p sum_c q_c - q (differentiate the log-softmax). It sums to nothing, which gives
        the label's own part: of an image that the network is sure of, p - 1 leaves no digits.
        """
        weights = self._weights(logits)
        targets = (self.label_smoothing / logits.shape[1]) * weights.repeat(len(logits), 1)
        own = (1.0 - self.label_smoothing) * weights[labels]
        # A mask, since a GPU waits for a number to be written at indices, and sorts these first.
        label = torch.arange(logits.shape[1], device=labels.device) == labels[:, None]
        targets += torch.where(label, own[:, None], 0.0)
        errors = logits.softmax(dim=1) * targets.sum(dim=1, keepdim=True) - targets
        others = errors.masked_fill(label, 0.0)
        return torch.where(label, -others.sum(dim=1, keepdim=True), others)


def balanced_class_weights(labels: Tensor, classes: int) -> tuple[float, ...]:
    """n / (classes x count) per class: rare classes count more and the mean over samples is 1.

    Raises:
        UserError: a class has no training sample.
    """
    counts = torch.bincount(labels, minlength=classes)
    if (counts == 0).any():
        empty = [int(c) for c in torch.nonzero(counts == 0).flatten()]
        raise UserError(
            f"The classes {empty} have no training image (numbers count from 0 in "
            "results/dataset/classes.json). Add images, or remove these classes."
        )
    return tuple((len(labels) / (classes * counts)).tolist())
