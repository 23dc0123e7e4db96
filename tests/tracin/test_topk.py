"""Tables of the strongest influences, without the tiles that they come from."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from tracin.errors import UserError
from tracin.topk import KINDS, as_arrays, merge_topk, with_classes


def lists(test_id: int, train_id: Any, influence: Any) -> pd.DataFrame:
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


def test_merging_is_sorting() -> None:
    """With many ties, both signs, two zeros, in whatever order the tiles come."""
    random = np.random.default_rng(0)
    values = np.array([-3e9, -2, -1e-40, -0.0, 0.0, 1e-40, 1, 1.0000001, 3e9], dtype=np.float32)
    for k in (1, 4, 30):
        tiles = []
        for block in random.permutation(3):
            ids = np.arange(10 * block, 10 * block + 10)
            one = [lists(test, ids, random.choice(values, 10)) for test in (0, 7, 8)]
            tiles.append(pd.concat(one, ignore_index=True).astype({"influence": np.float32}))
        found, everything = merge_topk(tiles, k), pd.concat(tiles)
        for (test, kind), part in everything.groupby(["test_id", "kind"], observed=True):
            rising = [kind == "opponent", True]
            expected = part.sort_values(["influence", "train_id"], ascending=rising)[:k]
            own = found[(found["test_id"] == test) & (found["kind"] == kind)]
            assert own["train_id"].tolist() == expected["train_id"].tolist()
            assert own["rank"].tolist() == list(range(1, len(expected) + 1))


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
