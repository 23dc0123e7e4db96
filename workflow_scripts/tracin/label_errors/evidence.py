"""The training images that speak for and against each training image."""

from __future__ import annotations

import numpy as np
import pandas as pd


def opposition(lists: pd.DataFrame, sample_id: np.ndarray) -> np.ndarray:
    """Sum of the influence of the strongest opponents among the other training images, negated.

    Leave-one-out: an image is never in its own list. `lists` has the columns of topk.parquet,
    with training images as test_id. Returns float [n], in the order of `sample_id`.
    """
    against = lists[(lists["kind"] == "opponent") & (lists["influence"] < 0)]
    total = against.groupby("test_id")["influence"].sum()
    return -total.reindex(sample_id, fill_value=0.0).to_numpy(dtype=float)


def listed(lists: pd.DataFrame, kind: str, sample_id: np.ndarray) -> list[np.ndarray]:
    """Ids of the proponents (positive influence) or opponents (negative), strongest first: [n]."""
    sign = 1 if kind == "proponent" else -1
    chosen = lists[(lists["kind"] == kind) & (lists["influence"] * sign > 0)]
    chosen = chosen.sort_values(["test_id", "rank"])
    groups = {key: part.to_numpy() for key, part in chosen.groupby("test_id")["train_id"]}
    none = np.zeros(0, dtype=np.int64)
    return [groups.get(sample, none) for sample in sample_id.tolist()]
