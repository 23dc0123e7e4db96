"""How many labels are wrong, and between which classes, on cases worked by hand."""

import numpy as np
import pytest

from tracin.label_errors.estimate import (
    LEANING,
    carried_over,
    estimate,
    expected_precision,
    joint_shares,
    known_right,
    off_diagonal,
    shares_by,
    true_class,
)

CLASSES = ["ant", "bee", "cat"]


def noisy(rng: np.random.Generator, n: int, wrong: float) -> tuple[np.ndarray, np.ndarray]:
    """Confident probabilities of the truth and labels of which a share is wrong."""
    truth = rng.integers(0, 3, n)
    labels = np.where(rng.random(n) < wrong, (truth + 1) % 3, truth)
    probabilities = np.full((n, 3), 0.05)
    probabilities[np.arange(n), truth] = 0.9
    return probabilities, labels


def test_a_label_that_was_kept_leaves_the_estimate() -> None:
    shares = np.array([[0.5, 0.25], [0.0, 0.25]])  # 5 right, 2.5 wrong as 0; 2.5 right as 1
    labels, scores = np.array([0] * 8 + [1] * 2), -np.arange(10.0)
    # Two of the three most suspicious labels 0; what else a person looked at says nothing of them.
    reviewed = np.isin(np.arange(10), [0, 2, 7, 9])
    found = 10 * known_right(shares, scores, labels, reviewed)
    np.testing.assert_allclose(found, [[5 + 2.5 * 2 / 3, 2.5 / 3], [0.0, 2.5]])
    nobody = known_right(shares, scores, labels, np.zeros(10, bool))
    np.testing.assert_allclose(nobody, shares)
    everybody = known_right(shares, scores, labels, np.ones(10, bool))
    assert everybody[0, 1] == 0.0


def test_common_confusions_weigh_more() -> None:
    """Label ant, and bee and cat as likely: if bees are often labelled ant, it is a bee."""
    shares = np.array([[0.3, 0.08, 0.005], [0.0, 0.25, 0.0], [0.0, 0.0, 0.365]])
    products, labels = np.log([[0.2, 0.4, 0.4]] * 100), np.zeros(100, dtype=np.int64)
    found = true_class(products, labels, shares, 1.0)[0]
    # 30, 8 and 0.5 of 30, 33 and 37 images, and one more in each of the three cells.
    odds = np.array([0.2 * 31 / 33, 0.4 * 9 / 36, 0.4 * 1.5 / 40])
    np.testing.assert_allclose(found, odds / odds.sum(), rtol=1e-5)
    half = np.array([0.2, 0.4, 0.4]) * np.sqrt([31 / 33, 9 / 36, 1.5 / 40])
    found = true_class(products, labels, shares, 0.5)[0]
    np.testing.assert_allclose(found, half / half.sum(), rtol=1e-5)


def test_shares_of_labels_are_calibrated_to_the_class_sizes() -> None:
    sure, labels = noisy(np.random.default_rng(0), 300, 0.3)
    sure[:60] = 1 / 3  # too unsure to be counted
    shares = joint_shares(sure, labels)
    np.testing.assert_allclose(shares.sum(axis=1), np.bincount(labels) / 300)


def test_wrong_labels_of_small_classes_are_not_rounded_away() -> None:
    """Of ten images with a label eight are counted, one as another class: 1.25 are wrong."""
    truth = np.repeat(np.arange(40), 10)
    labels = truth.copy()
    labels[::10] = (truth[::10] + 1) % 40
    sure = 0.01 + 0.61 * np.eye(40)[truth]
    sure[1::10], sure[2::10] = 1 / 40, 1 / 40  # too unsure to be counted
    wrong = 400 * off_diagonal(joint_shares(sure, labels))
    np.testing.assert_allclose(wrong.sum(axis=1), 10 / 8)


@pytest.mark.parametrize("wrong", [0.0, 0.1, 0.3])
def test_estimated_share_of_wrong_labels(wrong: float) -> None:
    probabilities, labels = noisy(np.random.default_rng(0), 3000, wrong)
    shares = joint_shares(probabilities, labels)
    assert off_diagonal(shares).sum() == pytest.approx(wrong, abs=0.02)
    found = estimate(shares, 3000, (0.5, 0.75), CLASSES)
    assert (
        found["estimated_errors"]
        == found["suggested_cut"]
        == round(3000 * off_diagonal(shares).sum())
    )
    # the label is one class further than the truth
    assert all(pair["label"] != pair["suggested_label"] for pair in found["pairs"])
    counts = [pair["count"] for pair in found["pairs"]]
    assert counts == sorted(counts, reverse=True)


def test_shares_are_those_of_the_weighted_geometric_mean_of_two_votes() -> None:
    first, labels = noisy(np.random.default_rng(0), 300, 0.1)
    second = np.random.default_rng(1).dirichlet([1, 1, 1], 300)
    mean = np.sqrt(first * second)
    expected = joint_shares(mean / mean.sum(axis=1, keepdims=True), labels)
    np.testing.assert_allclose(shares_by(np.log(first * second), labels, 1.0), expected)
    mean = (first * second**0.25) ** 0.8
    expected = joint_shares(mean / mean.sum(axis=1, keepdims=True), labels)
    np.testing.assert_allclose(shares_by(np.log(first * second**0.25), labels, 0.25), expected)


def test_the_joint_of_other_images_is_carried_over_class_by_class() -> None:
    # There half the labels 0 are wrong and all the labels 1 are right; of class 2 there is nothing,
    # so a quarter of its labels, as of all, are wrong, where the other joint has wrong ones.
    others = np.array([[0.25, 0.25, 0.0], [0.0, 0.5, 0.0], [0.0, 0.0, 0.0]])
    otherwise = np.array([[0.2, 0.0, 0.0], [0.0, 0.2, 0.0], [0.3, 0.0, 0.3]])
    given, many = np.array([0] * 4 + [1] * 2 + [2] * 2), np.array([1e12, 1e12, 0])
    wanted = np.array([[2, 2, 0], [0, 2, 0], [0.5, 0, 1.5]])
    np.testing.assert_allclose(
        carried_over(others, many, otherwise, given, given) * 8, wanted, atol=1e-9
    )
    # A review has found one of the two labels 0 that should be 1, and one that nobody expected.
    labels = np.array([1, 0, 0, 0] + [0, 1] + [2] * 2)
    wanted = np.array([[2 + 1, 1, 0], [0, 2 + 1, 0], [0.5, 0, 1.5]])
    np.testing.assert_allclose(
        carried_over(others, many, otherwise, given, labels) * 9, wanted, atol=1e-9
    )


def test_a_correction_leaves_the_cell_of_its_first_label() -> None:
    # Half the labels 0 are wrong: 2 of 4, until a review turns one into 1.
    others, many = np.array([[0.25, 0.25], [0.0, 0.5]]), np.array([1e12, 1e12])
    given, labels = np.array([0] * 4 + [1] * 4), np.array([1] + [0] * 3 + [1] * 4)
    found = carried_over(others, many, others, given, labels)
    np.testing.assert_allclose(found * 8, [[2, 1], [0, 5]], atol=1e-9)


def test_one_image_of_a_class_says_little_of_it() -> None:
    # The one label 1 there is wrong, and of a hundred labels 0 none is.
    others, seen = np.array([[100, 0], [1, 0]]) / 101, np.array([100, 1])
    given = np.array([0] * 80 + [1] * 20)
    found = carried_over(others, seen, np.eye(2) / 2, given, given) * 100
    assert found[1, 0] == pytest.approx(20 * (1 + LEANING / 101) / (1 + LEANING))
    assert found[0, 1] == pytest.approx(80 * LEANING / 101 / (100 + LEANING))


def test_expected_precision_is_one_where_planted_labels_stand_out() -> None:
    rng = np.random.default_rng(1)
    sure, labels = noisy(rng, 2000, 0.1)
    shares = joint_shares(sure, labels)
    assert max(expected_precision(shares, sure, noisy(rng, 2000, 0.0)[1])) < 0.5  # random labels
    assert expected_precision(shares, *noisy(rng, 2000, 0.1))[1] > 0.9
    vague = np.full((2000, 3), 1 / 3) + rng.normal(0, 0.01, (2000, 3))
    by_chance = [off_diagonal(shares).sum()] * 2
    assert list(expected_precision(shares, vague, labels)) == pytest.approx(by_chance, abs=0.05)
    assert expected_precision(np.eye(3) / 3, sure, labels) == (0.0, 0.0)
    unseen = np.array([[0.5, 0.0], [0.1, 0.4]])  # of class 0, of which no image is held out
    assert expected_precision(unseen, sure[:9, :2], np.ones(9, int)) == (0.0, 1.0)


def test_labels_are_planted_on_images_of_the_true_class() -> None:
    held_out = np.array([[0.9, 0.1], [0.9, 0.1], [0.2, 0.8], [0.1, 0.9]])
    # Class 1 is labelled 0 at times, and label 0 on the fourth image has the loss of 0.1: it stands
    # out. Label 1 on class 0, which never happens, would be hidden by the third image.
    shares = np.array([[0.5, 0.25], [0.0, 0.25]])
    assert expected_precision(shares, held_out, np.array([0, 0, 0, 1])) == (1.0, 1.0)


def test_expected_precision_is_least_where_wrong_labels_fall_on_look_alikes() -> None:
    # Three images of class 0, of which one looks like class 1, and one of class 1.
    held_out = np.array([[0.9, 0.1], [0.9, 0.1], [0.2, 0.8], [0.1, 0.9]])
    shares = np.array([[0.5, 0.125], [0.125, 0.25]])
    # A quarter of the given labels, the third image's, has a loss above that of 0.8 for label 1:
    # of label 1 on class 0 two thirds are found, or (0.1 + 0.1) / 1.0, of label 0 on class 1 all.
    found = expected_precision(shares, held_out, np.array([0, 0, 0, 1]))
    assert list(found) == pytest.approx([(0.2 + 1) / 2, (2 / 3 + 1) / 2])
