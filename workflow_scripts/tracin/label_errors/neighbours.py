"""Nearest neighbours in feature space."""

from __future__ import annotations

import numpy as np
from sklearn.neighbors import NearestNeighbors


def nearest(features: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest other rows of each row, nearest first.

    Args:
        features: float32 [n, d], rows of length one.
        k: Neighbours; fewer where there are not so many others.

    Returns:
        Rows int64 [n, k] and cosine similarities float32 [n, k].
    """
    k = min(k, len(features) - 1)
    if k < 1:
        return np.zeros((len(features), 0), dtype=np.int64), np.zeros((len(features), 0))
    # On unit vectors the Euclidean order is the cosine order. Asking for the neighbours of the
    # fitted points themselves leaves each point out of its own list.
    found = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(features)
    distances, rows = found.kneighbors()
    return rows.astype(np.int64), (1.0 - distances**2 / 2.0).astype(np.float32)


def mean_over(rows: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Mean of `values` [n, classes] over the neighbours `rows` [n, k] of each sample."""
    total = np.zeros_like(values)
    for column in rows.T:
        total += values[column]
    return total / max(1, rows.shape[1])
