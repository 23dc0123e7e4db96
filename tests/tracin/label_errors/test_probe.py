"""Probes: fitted to the other images only."""

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_limits

from tracin.label_errors import probe as module
from tracin.label_errors.probe import PARTS, parts, principal, probe


def clouds(n: int, wrong: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features of two classes far apart, their labels, and which of those were flipped."""
    rng = np.random.default_rng(0)
    truth = np.arange(n) % 2
    features = np.eye(2)[truth] + rng.normal(0, 0.1, (n, 2))
    flipped = rng.choice(n, wrong, replace=False)
    labels = truth.copy()
    labels[flipped] = 1 - labels[flipped]
    return features, labels, flipped


def test_a_wrong_label_does_not_speak_for_itself() -> None:
    features, labels, flipped = clouds(100, 5)
    said = probe(features, labels, np.ones(100), 2)
    losses = -said[np.arange(100), labels]
    assert set(np.argsort(losses)[-5:]) == set(flipped)
    np.testing.assert_allclose(np.exp(said).sum(axis=1), 1.0)


def test_its_own_label_changes_nothing_of_what_is_said_of_an_image() -> None:
    features, labels, _ = clouds(100, 0)
    other = labels.copy()
    other[99] = 1 - other[99]  # the last of either class, so all others keep their fifths
    before, after = (
        probe(features, labels, np.ones(100), 2),
        probe(features, other, np.ones(100), 2),
    )
    np.testing.assert_allclose(before[99], after[99], atol=0.05)


def test_an_image_counts_by_its_weight() -> None:
    """Without the flipped ones it is as if they were not there."""
    features, labels, flipped = clouds(100, 5)
    weights = np.ones(100)
    weights[flipped] = 0.0
    before = probe(features, labels, np.ones(100), 2)
    after = probe(features, labels, weights, 2)
    losses = [-said[flipped, labels[flipped]] for said in (before, after)]
    assert losses[1].mean() > losses[0].mean() + 1.0


def test_a_class_that_the_others_lack_is_left_open() -> None:
    features, labels, _ = clouds(40, 0)
    labels[7] = 2
    said = probe(features, labels, np.ones(40), 4)
    assert np.isnan(said[7]).all() and np.isfinite(np.delete(said, 7, axis=0)).all()
    assert np.isnan(probe(features, np.zeros(40, dtype=int), np.ones(40), 1)).all()


def test_fits_side_by_side_say_the_same() -> None:
    features, labels, _ = clouds(500, 20)
    before = torch.get_num_threads()
    said = []
    try:
        for threads in (1, 5):
            torch.set_num_threads(threads)
            said.append(probe(features, labels, np.ones(500), 2))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(said[0], said[1])


def test_the_number_of_threads_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    features, labels = rng.normal(0, 0.05, (600, 300)).astype(np.float32), rng.integers(0, 5, 600)
    said = []
    for threads in (1, 2):
        with threadpool_limits(threads, user_api="blas"):
            said.append(probe(features, labels, np.ones(600), 5))
    np.testing.assert_array_equal(said[0], said[1])


def test_parts_hold_a_fifth_of_each_class_in_order() -> None:
    labels = np.array([0] * 10 + [1] * 7)
    part = parts(labels)
    assert part[:10].tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert part[10:].tolist() == [0, 0, 1, 2, 2, 3, 4]
    assert set(part) == set(range(PARTS))


def test_copies_of_an_image_share_a_part_whatever_their_labels() -> None:
    labels, contents = np.array([0] * 10 + [1] * 7), np.arange(17)
    contents[[9, 16]] = 0  # copies of the first image
    part = parts(labels, contents)
    assert part[[0, 9, 16]].tolist() == [0, 0, 0]
    assert np.delete(part, [9, 16]).tolist() == np.delete(parts(labels), [9, 16]).tolist()


def test_a_copy_does_not_vouch_for_a_wrong_label() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(0, 1, (50, 200)).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    features[:, 0] += np.where(np.arange(50) < 25, 1, -1)  # of two classes
    labels = (np.arange(50) >= 25).astype(int)
    labels[0] = 1
    features, labels = np.concatenate([features, features]), np.concatenate([labels, labels])
    alone, apart = (
        probe(features, labels, np.ones(100), 2, contents)[0, 1]
        for contents in (np.arange(100) % 50, None)
    )
    assert alone < apart - 1


def test_principal_coordinates_keep_what_few_directions_hold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "DIRECTIONS", 3)
    rng = np.random.default_rng(0)
    low = rng.normal(size=(50, 3)) @ rng.normal(size=(3, 9))
    found = principal(low)
    assert found.shape == (50, 3)
    centred = low - low.mean(axis=0)
    np.testing.assert_allclose(found @ found.T, centred @ centred.T, atol=1e-8)
    assert principal(low[:2]).shape == (2, 9)
