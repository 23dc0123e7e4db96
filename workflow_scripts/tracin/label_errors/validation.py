"""Mean influence of each training image on the validation images of two classes."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from tracin.influence import Slot


def influence_on_classes(
    val: Iterable[Slot], val_labels: np.ndarray, train: Iterable[Slot], wanted: np.ndarray
) -> np.ndarray:
    """Mean TracIn influence of each training image on the validation images of some classes.

    The mean over images of a dot product is the dot product with the mean gradient, so one mean
    gradient per class and checkpoint replaces the matrix of all pairs. Of the final layer only.

    Args:
        val: Gradient factors of the validation images and learning rate, slot by slot.
        val_labels: Their class indices, [n_val].
        train: The same of the training images.
        wanted: Class indices [n, w]: which classes are asked for, image by image.

    Returns:
        float32 [n, w]; 0 where a class has no validation image.
    """
    asked = torch.from_numpy(wanted)
    total = torch.zeros(asked.shape)
    members = {int(c): torch.from_numpy(np.flatnonzero(val_labels == c)) for c in set(val_labels)}
    for (held_out, _), (factors, rate) in zip(val, train, strict=True):
        for label, rows in members.items():
            errors, activations = held_out.errors[rows], held_out.activations[rows]
            gradient = errors.T @ activations / len(rows)  # [classes, d + 1]
            images, columns = torch.nonzero(asked == label, as_tuple=True)
            total[images, columns] += rate * _product(
                factors.activations[images], factors.errors[images], gradient
            )
    return total.numpy()


def _product(activations: Tensor, errors: Tensor, gradient: Tensor) -> Tensor:
    """Dot products [b] of rank-one gradients, [b, d + 1] and [b, classes], with one gradient."""
    return ((activations @ gradient.T) * errors).sum(dim=1)
