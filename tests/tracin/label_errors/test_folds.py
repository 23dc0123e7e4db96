"""Folds: each training image is left out once, and equal bytes with it."""

import numpy as np
import pandas as pd
import pytest

from tracin.label_errors.folds import assign_folds, hold_out

N = 60
MANIFEST = pd.DataFrame(
    {
        "split": ["train"] * 50 + ["test"] * 10,
        # each picture is there twice
        "sha256": [f"{i // 2:03d}" for i in range(N)],
    }
)
LABELS = pd.DataFrame({"label_index": np.arange(N) // 2 % 3, "keep": np.arange(N) != 7})


def test_folds_are_stratified_and_never_split_equal_bytes() -> None:
    fold = assign_folds(MANIFEST, LABELS, 5)
    assert (fold[50:] == -1).all() and fold[7] == -1 and set(fold[:50]) == {-1, 0, 1, 2, 3, 4}
    trained = MANIFEST.assign(fold=fold)[fold >= 0]
    assert trained.groupby("sha256")["fold"].nunique().max() == 1
    for number in range(5):
        kept = hold_out(LABELS, fold, number)["keep"]
        assert set(LABELS["label_index"][fold == number]) == {0, 1, 2}
        assert not kept[fold == number].any() and (kept | (fold == number))[LABELS["keep"]].all()


def test_small_classes_are_named() -> None:
    with pytest.raises(ValueError, match="only 1 different training images"):
        # Two files with the same bytes.
        assign_folds(MANIFEST, LABELS.assign(label_index=[9, 9] + [0] * (N - 2)), 2)
