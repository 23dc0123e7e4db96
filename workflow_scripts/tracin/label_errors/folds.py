"""Folds of the training images, for probabilities of networks that never saw the image."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from tracin.errors import UserError


def assign_folds(manifest: pd.DataFrame, labels: pd.DataFrame, folds: int) -> np.ndarray:
    """Fold of each image, int [n]; -1 for images that are not trained on.

    Stratified by label; equal bytes share a fold. `manifest` has split and sha256, `labels`
    label_index and keep, row by row.

    Raises:
        UserError: a class has fewer different training images than there are folds.
    """
    trained = ((manifest["split"] == "train") & labels["keep"]).to_numpy()
    classes = labels["label_index"].to_numpy()[trained]
    groups = manifest["sha256"].to_numpy()[trained]
    fewest = pd.Series(groups).groupby(classes).nunique().min()
    if fewest < folds:
        raise UserError(
            f"label_errors.folds is {folds}, but a class has only {fewest} different "
            "training images. Lower it, or set it to 0."
        )
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=0)
    fold = np.full(len(manifest), -1, dtype=np.int16)
    rows = np.flatnonzero(trained)
    for number, (_, held_out) in enumerate(splitter.split(classes, classes, groups)):
        fold[rows[held_out]] = number
    return fold


def hold_out(labels: pd.DataFrame, fold: np.ndarray, number: int) -> pd.DataFrame:
    """The label set without the images of one fold."""
    return labels.assign(keep=labels["keep"] & (fold != number))
