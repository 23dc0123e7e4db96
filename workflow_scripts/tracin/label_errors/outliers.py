"""Training images that look like no class: far from everything in feature space."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tracin.label_errors.neighbours import LEAST, Neighbours


def outliers(
    neighbours: Neighbours, manifest: pd.DataFrame, labels: np.ndarray, classes: Sequence[str]
) -> pd.DataFrame:
    """The training images, the most isolated first; `labels` [n] are their classes.

    Columns train_id, path, label, distance (mean distance of the unit features to the ten nearest:
    Kuan and Mueller, 2022), rank, outlier and reason. An outlier lies beyond the third quartile by
    three times the interquartile range ("far out": Tukey, Exploratory Data Analysis, 1977).
    """
    ids, similarity = neighbours.sample_id, neighbours.similarity[:, :LEAST]
    distance = np.sqrt(np.maximum(2.0 - 2.0 * similarity, 0.0)).mean(axis=1)
    paths = manifest.set_index("sample_id")["path"]
    frame = pd.DataFrame(
        {
            "train_id": ids,
            "path": paths.loc[ids].to_numpy(),
            "label": np.array(classes, dtype=object)[labels],
            "distance": distance.astype(np.float32),
        }
    ).sort_values(["distance", "train_id"], ascending=[False, True], ignore_index=True)
    frame["rank"] = np.arange(1, len(frame) + 1, dtype=np.int32)
    low, middle, high = frame["distance"].quantile([0.25, 0.5, 0.75])
    frame["outlier"] = frame["distance"] > high + 3 * (high - low)
    words = f"far from its ten nearest images: distance {{:.3f}}, the middle image has {middle:.3f}"
    frame["reason"] = [
        words.format(value) if far else ""
        for value, far in zip(frame["distance"], frame["outlier"], strict=True)
    ]
    return frame
