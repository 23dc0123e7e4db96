"""Each signal on a case worked by hand."""

import numpy as np
import pandas as pd
import pytest
import torch

from tracin.gradients import Factors
from tracin.label_errors import signals
from tracin.label_errors.evidence import listed, opposition
from tracin.label_errors.neighbours import mean_over, nearest
from tracin.label_errors.validation import influence_on_classes

# Three images labelled 0, 1 and 2.
LABELS = np.array([0, 1, 2])
PROBABILITIES = np.array([[0.5, 0.25, 0.25], [0.8, 0.1, 0.1], [0.0, 0.0, 1.0]])


def test_loss_and_margin() -> None:
    np.testing.assert_allclose(
        signals.loss(PROBABILITIES, LABELS), [np.log(2), np.log(10), 0.0], atol=1e-12
    )
    others, values = signals.strongest_other(PROBABILITIES, LABELS)
    assert others.tolist() == [1, 0, 0] and values.tolist() == [0.25, 0.8, 0.0]
    np.testing.assert_allclose(
        signals.margin(PROBABILITIES, LABELS)[:2], [-np.log(2), np.log(8)], rtol=1e-12
    )


def test_means_over_epochs() -> None:
    losses = np.array([[1.0, 3.0], [np.nan, 0.5]])
    assert signals.mean_loss(losses).tolist() == [1.0, 1.75]
    margins = np.array([[1.0, np.nan], [3.0, -4.0]])
    assert signals.area_under_margin(margins).tolist() == [-2.0, 4.0]


def test_forgetting_counts_falls_and_never_learned() -> None:
    predicted = np.array([[0, 0, 2, 1], [1, 0, 0, 1], [0, 0, 0, -1], [1, 0, 1, 1]])
    labels = np.array([0, 0, 1, 1])
    # right wrong right wrong; always right; learned at the end; an epoch missed is no fall
    assert signals.forgetting(predicted, labels).tolist() == [2, 0, 0, 0]
    assert signals.forgetting(np.array([[1], [1]]), np.array([0])).tolist() == [2]
    # The second epoch missed the sample, in the third it was wrong.
    assert signals.forgetting(np.array([[0], [-1], [1]]), np.array([0])).tolist() == [1]


def test_neighbours_of_a_line() -> None:
    angles = np.radians([0.0, 10.0, 25.0, 90.0])
    features = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    found = nearest(np.arange(4), features, 2)
    rows, similarity = found.rows[:, :2], found.similarity
    assert found.rows.tolist() == [[1, 2, 3], [0, 2, 3], [1, 0, 3], [2, 1, 0]]
    np.testing.assert_allclose(
        similarity[0], np.cos(np.radians([10, 25, 90])), atol=1e-6, rtol=1e-4
    )
    labels = np.array([0, 0, 1, 1])
    assert signals.neighbour_labels(rows, labels).tolist() == [0.5, 0.5, 1.0, 0.5]
    values = np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5], [0.2, 0.8]])
    np.testing.assert_allclose(mean_over(rows, values)[3], [0.25, 0.75])


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_neighbours_of_copies_and_of_few(count: int) -> None:
    rows = nearest(np.arange(count), np.ones((count, 3), dtype=np.float32), 4).rows
    assert rows.shape == (count, min(4, max(0, count - 1)))
    assert not (rows == np.arange(count)[:, None]).any()


def test_confident_learning_is_cleanlabs() -> None:
    values = signals.confident_learning(PROBABILITIES, LABELS)
    assert values.argmax() == 1 and values.argmin() == 2


def test_influence_on_classes_is_the_mean_over_pairs() -> None:
    generator = torch.Generator().manual_seed(0)
    draw = lambda n, d: torch.randn(n, d, generator=generator)  # noqa: E731
    train = [(Factors(torch.arange(5), draw(5, 4), draw(5, 3)), rate) for rate in (0.1, 0.02)]
    val = [(Factors(torch.arange(3), draw(3, 4), draw(3, 3)), rate) for rate in (0.1, 0.02)]
    labels, wanted = np.array([0, 1, 1]), np.array([[0, 1], [1, 0], [2, 1], [1, 1], [0, 2]])
    found = influence_on_classes(val, labels, train, wanted)
    for image in range(5):
        for column in range(2):
            expected = 0.0
            for (a, _), (b, rate) in zip(val, train, strict=True):
                gradient = torch.outer(b.errors[image], b.activations[image])
                members = np.flatnonzero(labels == wanted[image, column])
                products = [
                    float((torch.outer(a.errors[m], a.activations[m]) * gradient).sum())
                    for m in members
                ]
                expected += rate * float(np.mean(products)) if products else 0.0
            assert found[image, column] == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_opposition_and_lists() -> None:
    lists = pd.DataFrame(
        {
            "test_id": [3, 3, 3, 3, 8],
            "kind": ["proponent", "proponent", "opponent", "opponent", "opponent"],
            "rank": [2, 1, 1, 2, 1],
            "train_id": [5, 6, 7, 9, 3],
            "influence": [0.5, 2.0, -3.0, -1.0, 0.25],
        }
    )
    ids = np.array([1, 3, 8])
    assert opposition(lists, ids).tolist() == [0.0, 4.0, 0.0]
    assert [part.tolist() for part in listed(lists, "proponent", ids)] == [[], [6, 5], []]
    assert [part.tolist() for part in listed(lists, "opponent", ids)] == [[], [7, 9], []]
