"""Tables of the strongest influences, without the tiles that they come from."""

import numpy as np
import pandas as pd
import pytest

from tracin.errors import UserError
from tracin.topk import KINDS, as_arrays, merge_topk, with_classes


def lists(test_id: int, train_id: list[int], influence: list[float]) -> pd.DataFrame:
    """A tile's lists of one test image, in which all its training images stand twice."""
    tile = pd.DataFrame({"test_id": test_id, "train_id": train_id, "influence": influence})
    found = []
    for kind, rising in zip(KINDS, (False, True), strict=True):
        part = tile.sort_values(["influence", "train_id"], ascending=[rising, True])
        found.append(part.assign(kind=kind, rank=np.arange(1, len(part) + 1, dtype=np.int32)))
    return pd.concat(found).astype({"kind": pd.CategoricalDtype(list(KINDS))})


def test_tiles_are_merged_by_influence_then_id() -> None:
    merged = merge_topk([lists(9, [4, 6], [1, -3]), lists(9, [1, 5], [1, 2])], 2)
    assert merged["train_id"].tolist() == [5, 1, 6, 1]
    assert merged["rank"].tolist() == [1, 2, 1, 2]
    scores, indices = as_arrays(merged.sample(frac=1, random_state=0))
    assert scores.tolist() == [[2, 1, -3, 1]]
    assert indices.tolist() == [[5, 1, 6, 1]]


def test_a_pair_in_two_tiles_is_refused() -> None:
    one = lists(5, [1, 2], [1, 1])
    with pytest.raises(UserError, match="same pair"):
        merge_topk([one, one], 1)


def test_class_columns_are_a_filter() -> None:
    topk = pd.DataFrame(
        {
            "test_id": [3, 3, 3, 3],
            "kind": pd.Categorical(["proponent", "proponent", "opponent", "opponent"]),
            "train_id": [0, 1, 0, 1],
        }
    )
    predictions = pd.DataFrame(
        {"sample_id": [3, 0, 1], "label_index": [0, 0, 1], "predicted_index": [1, 0, 0]}
    )
    table = with_classes(topk, predictions, ["=a", "b"])
    assert table["of_class"].tolist() == [True, False, False, True]
    assert table["test_label"].tolist() == ["=a"] * 4
    assert table["test_predicted"].tolist() == ["b"] * 4
    assert table["train_label"].tolist() == ["=a", "b", "=a", "b"]
