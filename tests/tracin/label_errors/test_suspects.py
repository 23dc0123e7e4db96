"""The combination and the table that people review."""

import numpy as np
import pandas as pd
import pytest

from tests.tracin.label_errors.test_estimate import noisy
from tracin.label_errors import signals
from tracin.label_errors.estimate import carried_over, joint_shares, off_diagonal, weight
from tracin.label_errors.reasons import parts
from tracin.label_errors.suspects import (
    LISTS,
    averaged,
    other_labels,
    score,
    shares_of,
    suspect_table,
)

CLASSES = ["ant", "bee {0}", "cat"]


def run(rows: list[list[float]], labels: list[int], late: list[float]) -> pd.DataFrame:
    """A signal table by hand; sample ids are 10, 20, ..."""
    n = len(labels)
    none = [np.zeros(0, dtype=np.int64)] * n
    return pd.DataFrame(
        {
            "train_id": np.arange(1, n + 1) * 10,
            "label_index": np.array(labels, dtype=np.int16),
            "learned_late": np.array(late, dtype=np.float32),
            "neighbour_labels": np.full(n, 0.75, dtype=np.float32),
            "area_under_margin": np.full(n, -1, dtype=np.float32),
            "opposition": np.zeros(n, dtype=np.float32),
            "influence_on_own_class": np.zeros(n, dtype=np.float32),
            "memorised": np.float32(0),
            "probabilities": [np.array(row, dtype=np.float32) for row in rows],
            "neighbours": [np.array([10, 20, 30, 40])] * n,
            "opponents": none,
            "proponents": none,
        }
    )


# Whatever the true class, each label is as likely: the labels say nothing.
EVEN = np.full((3, 3), 1 / 9)
MANIFEST = pd.DataFrame({"sample_id": [10, 20, 30], "path": ["a.png", "b.png", "c.png"]})


def test_score_grows_with_both_parts() -> None:
    probabilities, labels = np.array([[0.25, 0.75]]), np.array([0])
    assert score(probabilities, np.array([1.0]), labels) == pytest.approx(np.log(4) + 1.0)


def test_table_is_ranked_with_reasons_and_ties_by_id() -> None:
    table = suspect_table(
        run([[0.9, 0.1, 0], [0.9, 0.1, 0], [0.1, 0.9, 0]], [0, 0, 0], [0.1, 0.1, 2.0]),
        EVEN,
        MANIFEST,
        CLASSES,
        cut=1,
        reviewed=np.zeros(3, bool),
    )
    assert table["train_id"].tolist() == [30, 10, 20] and table["rank"].tolist() == [1, 2, 3]
    assert table["suspected"].tolist() == [True, False, False]
    first = table.iloc[0]
    assert first["path"] == "c.png" and first["suggested_label"] == "bee {0}"
    assert first["suspicion"] == pytest.approx(1 - 0.1 * np.exp(-2.0), rel=1e-5)
    assert "prefers bee {0} (90% to 10%)" in first["reasons"]
    split = parts(first["reasons"], first["suggested_label"])
    assert split[0] == "the network prefers bee {0} (90% to 10%)"
    assert "; ".join(split) == first["reasons"]
    assert "3 of its 4 nearest neighbours" in first["reasons"]
    assert list(table.columns[-4:]) == LISTS and table["suspicion"].between(0, 1).all()


def test_reasons_say_neither_all_nor_none_of_what_is_not() -> None:
    signals = run([[0.001, 0.999, 0]], [0], [0.1])
    table = suspect_table(signals, EVEN, MANIFEST, CLASSES, 1, np.zeros(1, bool))
    assert "prefers bee {0} (>99% to <1%)" in table["reasons"][0]


def test_other_labels_are_the_most_probable_beside_label_and_suggestion() -> None:
    names = np.array([f"class {i}" for i in range(20)], dtype=object)
    probabilities = np.stack([np.arange(20) / 190, np.r_[0.5, np.full(19, 0.5 / 19)]])
    first, second = other_labels(probabilities, np.array([17, 0]), np.array([19, 1]), names)
    assert first == [f"class {i}" for i in (18, 16, 15, 14, 13, 12, 11, 10, 9, 8)]
    assert second == [f"class {i}" for i in range(2, 12)]


def test_an_image_that_helps_its_class_is_not_accused() -> None:
    joined = run([[0.9, 0.1, 0]] * 2, [0, 0], [0.1] * 2)
    joined["influence_on_own_class"] = np.array([1, -1], dtype=np.float32)  # larger is worse
    table = suspect_table(joined, EVEN, MANIFEST, CLASSES, 1, np.zeros(2, bool))
    said = table.set_index("train_id")["reasons"]
    assert "it raises the loss of validation images of its class" in said[10]
    assert "raises the loss" not in said[20]


def test_what_a_person_decided_on_comes_last() -> None:
    rows, labels = [[0.9, 0.1, 0], [0.8, 0.2, 0], [0.1, 0.9, 0]], [0, 0, 0]
    table = suspect_table(
        run(rows, labels, [0.0] * 3), EVEN, MANIFEST, CLASSES, 1, np.array([False, False, True])
    )
    assert table["train_id"].tolist() == [20, 10, 30]
    assert table["reviewed"].tolist() == [False, False, True]
    assert table["suspected"].tolist() == [True, False, False]
    everybody = suspect_table(
        run(rows, labels, [0.0] * 3), EVEN, MANIFEST, CLASSES, 1, np.ones(3, bool)
    )
    assert not everybody["suspected"].any()


def test_labels_learned_by_heart_take_the_say_from_transitions() -> None:
    assert weight(0.0) == 1.0 and weight(0.5) == 0.25 and weight(1.0) == 0.0
    known = run([[0.2, 0.4, 0.4]], [0], [0.0]).assign(memorised=np.float32(1.0))
    shares = np.array([[0.3, 0.08, 0.005], [0.0, 0.25, 0.0], [0.0, 0.0, 0.365]])
    table = suspect_table(known, shares, MANIFEST, CLASSES, cut=1, reviewed=np.zeros(1, bool))
    assert table["suspicion"][0] == pytest.approx(0.8, rel=1e-5)
    assert "memorised" not in table.columns


def test_runs_are_averaged_and_must_agree() -> None:
    first = run([[0.8, 0.2, 0.0]], [0], [1.0])
    second = run([[0.2, 0.8, 0.0]], [0], [3.0])
    joined = averaged([first, second])
    np.testing.assert_allclose(joined["probabilities"][0][:2], [0.5, 0.5], rtol=1e-4)
    assert joined["learned_late"].tolist() == [2.0]
    joined = averaged([first, second.assign(memorised=np.float32(0.5))])
    assert joined["memorised"].tolist() == [0.25]
    with pytest.raises(ValueError, match="different training images or labels"):
        averaged([first, run([[0.2, 0.8, 0.0]], [1], [3.0])])


def test_what_was_learned_by_heart_is_judged_on_held_out_images() -> None:
    sure, labels = noisy(np.random.default_rng(0), 300, 0.3)
    trained = run(np.eye(3)[labels].tolist(), labels.tolist(), [0.0] * 300)
    none, half, all_of_it = (
        shares_of(trained.assign(memorised=np.float32(m)), labels, sure, labels)
        for m in (0.0, 0.5, 1.0)
    )
    np.testing.assert_allclose(off_diagonal(none), 0.0, atol=1e-6)
    seen = np.bincount(labels)
    wanted = carried_over(joint_shares(sure, labels), seen, none, labels, labels)
    np.testing.assert_allclose(all_of_it, wanted)
    np.testing.assert_allclose(all_of_it, joint_shares(sure, labels), atol=0.01)
    np.testing.assert_allclose(half, 0.25 * none + 0.75 * all_of_it)
    before = np.where(np.arange(300) < 10, (labels + 1) % 3, labels)
    reviewed = shares_of(trained.assign(memorised=np.float32(1)), before, sure, labels)
    wanted = carried_over(joint_shares(sure, labels), seen, none, before, labels)
    np.testing.assert_allclose(reviewed, wanted)


def test_signal_scale_is_finite_at_zero_probability() -> None:
    probabilities = np.array([[0.0, 1.0]])
    assert np.isfinite(signals.loss(probabilities, np.array([0]))).all()
