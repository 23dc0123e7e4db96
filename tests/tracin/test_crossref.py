"""Cross-reference tables against counts by hand and by plain loops."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracin.crossref import (
    appearances,
    appearances_by_class,
    by_total_influence,
    class_influence,
    cross_analysis,
    image_table,
    influence_analysis,
    opponent_shares,
    signed,
)

CLASSES = ["ant", "bee", "cat"]
# sample_id: split, label, prediction. Images 0 and 1 are test images that are mispredicted.
KNOWN = [
    ("test", 0, 1),
    ("test", 1, 2),
    ("test", 2, 2),
    ("train", 0, 1),
    ("train", 0, 0),
    ("train", 1, 0),
    ("train", 2, 2),
]
LISTS = [
    (0, "proponent", 1, 4, 2.0),
    (0, "proponent", 2, 3, 1.0),
    (0, "opponent", 1, 5, -3.0),
    (0, "opponent", 2, 6, -0.5),
    (1, "proponent", 1, 5, 4.0),
    (1, "proponent", 2, 6, 0.25),
    (1, "opponent", 1, 3, -1.0),
    (1, "opponent", 2, 6, 0.25),
    (2, "proponent", 1, 6, 1.0),
    (2, "proponent", 2, 4, 0.5),
    (2, "opponent", 1, 3, -0.25),
    (2, "opponent", 2, 5, 0.0),
]


def images() -> pd.DataFrame:
    split, label, predicted = zip(*KNOWN, strict=True)
    predictions = pd.DataFrame(
        {
            "sample_id": range(len(KNOWN)),
            "split": split,
            "label_index": np.array(label, dtype=np.int16),
            "predicted_index": np.array(predicted, dtype=np.int16),
            "confidence": np.linspace(0.5, 0.9, len(KNOWN)),
        }
    )
    manifest = pd.DataFrame(
        {
            "sample_id": range(len(KNOWN)),
            "path": [f"a b/{i} 'é\".png" for i in range(len(KNOWN))],
            "true_label": None,
        }
    )
    return image_table(predictions, manifest, CLASSES)


def topk() -> pd.DataFrame:
    table = pd.DataFrame(LISTS, columns=["test_id", "kind", "rank", "train_id", "influence"])
    return table.astype({"influence": "float32", "rank": "int32"})


def test_every_list_of_a_mistake_is_analysed() -> None:
    table = influence_analysis(images(), topk())
    assert table["test_id"].tolist() == [0] * 4 + [1] * 4
    first = table.iloc[0]
    assert (first["train_id"], first["kind"], first["influence"]) == (5, "opponent", -3.0)
    assert (first["test_label"], first["predicted"], first["train_label"]) == ("ant", "bee", "bee")
    assert first["train_path"] == "a b/5 'é\".png"


def test_cross_analysis_keeps_mispredicted_training_images() -> None:
    known = images()
    table = cross_analysis(influence_analysis(known, topk()), known)
    pairs = list(zip(table["test_id"], table["train_id"], table["same_error"], strict=True))
    assert sorted(pairs) == [(0, 3, True), (0, 5, False), (1, 3, False), (1, 5, False)]
    assert set(table.loc[table["train_id"] == 5, "train_predicted"]) == {"ant"}


def test_no_mistake_gives_empty_tables_with_their_columns() -> None:
    known = images().assign(wrong=False)
    analysis = influence_analysis(known, topk())
    crossed = cross_analysis(analysis, known)
    assert analysis.empty and crossed.empty
    assert crossed.columns[-1] == "same_error" and crossed.columns[0] == "test_id"


def test_appearances_count_a_pair_once_and_by_its_sign() -> None:
    counted = appearances(images(), topk()).set_index("train_id")
    columns = ["appearances", "as_proponent", "as_opponent", "mispredicted"]
    assert list(counted.loc[3, columns]) == [3, 1, 2, 2]
    assert list(counted.loc[6, columns]) == [3, 2, 1, 2]
    assert list(counted.loc[5, columns]) == [2, 1, 1, 2]
    assert counted.loc[6, "mean_influence"] == pytest.approx(0.25)
    assert counted.index.tolist() == [3, 6, 4, 5]


def test_appearances_by_class_add_up() -> None:
    by_class = appearances_by_class(images(), topk())
    total = by_class.groupby("train_id")["appearances"].sum()
    counted = appearances(images(), topk()).set_index("train_id")["appearances"]
    pd.testing.assert_series_equal(total, counted.sort_index(), check_names=False)
    row = by_class[(by_class["train_id"] == 6) & (by_class["test_label"] == "bee")].iloc[0]
    assert (row["label"], row["appearances"], row["as_opponent"]) == ("cat", 1, 0)


def test_the_largest_sum_comes_first_and_of_one_sign() -> None:
    counted = pd.DataFrame(
        {
            "train_id": [3, 4, 5, 6],
            "appearances": [1, 9, 2, 2],
            "total_influence": [-5.0, -6.0, 1.0, 1.0],
            "mean_influence": [-5.0, -0.7, 0.5, 0.5],
        }
    )
    assert by_total_influence(counted, helpful=False)["train_id"].tolist() == [4, 3]
    assert by_total_influence(counted, helpful=True)["train_id"].tolist() == [5, 6]
    counted = appearances(images(), topk())
    assert by_total_influence(counted, helpful=True)["train_id"].tolist() == [4, 5, 6]
    assert by_total_influence(counted, helpful=False)["train_id"].tolist() == [3]


def test_class_influence_equals_a_loop() -> None:
    known, expected = images(), np.zeros((3, 3))
    for row in signed(topk()).to_dict("records"):
        train, test = (known.loc[row[name], "label_index"] for name in ("train_id", "test_id"))
        expected[train, test] += row["influence"]
    np.testing.assert_allclose(class_influence(known, topk(), 3), expected)


def test_a_test_image_without_influence_counts_in_the_mean() -> None:
    known, lists = images(), topk()
    known.loc[1, "label_index"] = 0  # so that two test images are of class 0
    lists.loc[lists["test_id"] == 1, "influence"] = 0.0
    # On image 0, training images 3 and 4 of class 0 have 1 and 2.
    assert class_influence(known, lists, 3)[0, 0] == (1 + 2) / 2


def test_opponents_are_counted_among_the_k_strongest_of_both_kinds() -> None:
    shares = opponent_shares(images(), topk()).set_index("test_id")
    assert shares["share"].tolist() == [0.5, 0.5, 0.0]
    assert shares["wrong"].tolist() == [True, True, False]


def test_other_images_in_one_table_are_an_error() -> None:
    manifest = pd.DataFrame({"sample_id": [0, 1], "path": ["a", "b"], "true_label": None})
    predictions = images().reset_index().drop(columns=["path", "true_label"]).head(1)
    with pytest.raises(ValueError, match="different images"):
        image_table(predictions, manifest, CLASSES)


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_counts_equal_plain_loops(seed: int, k: int) -> None:
    """Lists cut from a dense matrix, k up to more than half of the training images."""
    rng = np.random.default_rng(seed)
    known = images()
    train = known.index[known["split"] == "train"].to_numpy()
    scores = rng.normal(size=(3, len(train))).astype(np.float32)
    rows, places = [], min(k, len(train))
    for test in range(3):
        order = np.argsort(-scores[test])
        for kind, chosen in (("proponent", order), ("opponent", order[::-1])):
            rows += [
                (test, kind, rank, train[column], scores[test, column])
                for rank, column in enumerate(chosen[:places], 1)
            ]
    lists = pd.DataFrame(rows, columns=topk().columns)
    counted = appearances(known, lists).set_index("train_id")["appearances"].to_dict()
    pairs = {(r[0], r[3]) for r in rows if (r[4] > 0) == (r[1] == "proponent")}
    assert counted == {t: n for t in train if (n := sum(t == pair[1] for pair in pairs))}
    shares = opponent_shares(known, lists).set_index("test_id")["share"]
    for test in range(3):
        strongest = np.argsort(-np.abs(scores[test]))[:places]
        assert shares[test] == pytest.approx((scores[test, strongest] < 0).mean())
