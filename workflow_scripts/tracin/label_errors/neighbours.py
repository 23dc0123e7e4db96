"""Nearest neighbours in feature space."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from sklearn.neighbors import NearestNeighbors

from tracin.errors import UserError
from tracin.files import atomic_path
from tracin.tensors import readable

LEAST = 10  # neighbours that outliers are judged by, whatever label_errors.neighbours says


@dataclass(frozen=True)
class Neighbours:
    """The k or ten nearest other images of each of n images, nearest first."""

    sample_id: np.ndarray  # int64 [n]
    rows: np.ndarray  # int64 [n, k], positions in sample_id
    similarity: np.ndarray  # float32 [n, k], cosines

    def check(self, sample_id: np.ndarray) -> None:
        """Raise UserError unless these are the neighbours of just these samples, in this order."""
        if not np.array_equal(self.sample_id, sample_id):
            raise UserError(
                "The neighbours are those of other samples. Run again with --forcerun neighbours."
            )


def nearest(sample_id: np.ndarray, features: np.ndarray, k: int) -> Neighbours:
    """The k nearest other images of each, and ten at least; fewer where there are no more others.

    Args:
        sample_id: int64 [n].
        features: float32 [n, d], rows of length one.
        k: Neighbours.
    """
    k = min(max(LEAST, k), len(features) - 1)
    if k < 1:
        none = np.zeros((len(features), 0))
        return Neighbours(sample_id, none.astype(np.int64), none.astype(np.float32))
    # On unit vectors the Euclidean order is the cosine order. Asking for the neighbours of the
    # fitted points themselves leaves each point out of its own list.
    found = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(features)
    distances, rows = found.kneighbors()
    similarity = (1.0 - distances**2 / 2.0).astype(np.float32)
    return Neighbours(sample_id, rows.astype(np.int64), similarity)


def mean_over(rows: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Mean of `values` [n, classes] over the neighbours `rows` [n, k] of each sample."""
    total = np.zeros_like(values)
    for column in rows.T:
        total += values[column]
    return total / max(1, rows.shape[1])


def save_neighbours(neighbours: Neighbours, path: Path | str) -> None:
    """Write the arrays as safetensors."""
    with atomic_path(path) as temporary:
        save_file(
            {name: torch.from_numpy(array) for name, array in vars(neighbours).items()}, temporary
        )


def read_neighbours(path: Path | str) -> Neighbours:
    """What `save_neighbours` wrote.

    Raises:
        UserError: the file is damaged.
    """
    with readable(path):
        return Neighbours(**{name: tensor.numpy() for name, tensor in load_file(path).items()})
