"""Votes: of one network, of several, of those that never saw an image."""

import numpy as np
import pytest

from tracin.label_errors.views import Views
from tracin.label_errors.votes import (
    Votes,
    cast_votes,
    joined,
    out_of_fold,
    posterior,
    read_votes,
    save_votes,
)

NAN = float("nan")
EVEN, SURE = np.log([[0.5, 0.5]]), np.log([[0.9, 0.1]])


def votes(views: list[float], recent: float, loss: float) -> Votes:
    """Votes on two images of one class each, by hand: the second was not trained on."""
    both = np.array(views, dtype=np.float32)[:, None]
    return Votes(
        np.array([3, 5]),
        np.array([[recent], [NAN]], dtype=np.float32),
        both,
        both * 2,
        np.array([loss, NAN], dtype=np.float32),
    )


def test_a_network_votes_on_all_images_and_recalls_those_it_had(tmp_path) -> None:
    probabilities = np.array([[0.25, 0.75], [1.0, 0.0], [0.5, 0.5]], dtype=np.float32)
    views = Views(np.array([3, 5, 8]), probabilities, probabilities, np.zeros((3, 2)))
    dynamics = {
        "sample_id": np.array([3, 8]),
        "log_probabilities": np.array([[-1, -2], [-3, -4]], dtype=np.float32),
        "loss": np.array([[1.0, 5.0], [NAN, 7.0]]),
    }
    found = cast_votes(views, np.array([[1, 2], [0, 2], [0, 1]]), dynamics)
    np.testing.assert_array_equal(found.recent[:, 0], [-1, NAN, -3])
    np.testing.assert_array_equal(found.loss_mean, [1.0, NAN, 6.0])
    assert found.unseen.tolist() == [False, True, False]
    np.testing.assert_allclose(found.views, np.log(np.maximum(probabilities, 1e-12)))
    np.testing.assert_allclose(np.exp(found.around)[0], [0.75, 0.25])
    save_votes(found, tmp_path / "votes.safetensors")
    again = read_votes(tmp_path / "votes.safetensors")
    for name, array in vars(found).items():
        np.testing.assert_array_equal(array, vars(again)[name])


def test_networks_are_averaged_and_training_counts_where_it_was() -> None:
    whole = Votes(*(np.nan_to_num(a, nan=-7.0) for a in vars(votes([-1, -2], -4, 1)).values()))
    both = joined([whole, votes([-3, -5], -8, 2)])
    np.testing.assert_allclose(both.views, [[-2.0], [-3.5]])
    np.testing.assert_allclose(both.around, [[-4], [-7]])
    np.testing.assert_allclose(both.recent, [[-6], [-7]])
    np.testing.assert_allclose(both.loss_mean, [1.5, -7])


def test_only_networks_without_the_image_count_out_of_fold() -> None:
    part = votes([-3, -5], -8, 2)
    mirrored = Votes(part.sample_id, *(a[::-1] for a in list(vars(part).values())[1:]))
    found = out_of_fold([part, mirrored])
    assert found is not None
    np.testing.assert_allclose(found, [[-5], [-5]])
    assert out_of_fold([joined([part, mirrored])]) is None


def test_votes_on_other_images_are_refused() -> None:
    part = votes([-3, -5], -8, 2)
    other = Votes(np.array([3, 6]), *list(vars(part).values())[1:])
    with pytest.raises(ValueError, match="forcerun votes"):
        joined([part, other])


def by_hand(recent: np.ndarray, views: np.ndarray, around: np.ndarray) -> Votes:
    return Votes(np.zeros(1, dtype=np.int64), recent, views, around, np.zeros(1))


def test_posterior_is_the_normalised_product() -> None:
    np.testing.assert_allclose(posterior(by_hand(SURE, EVEN, EVEN)), [[0.9, 0.1]])
    np.testing.assert_allclose(posterior(by_hand(EVEN, SURE, SURE)), [[0.9, 0.1]])
    np.testing.assert_allclose(posterior(by_hand(EVEN, SURE, EVEN)), [[0.75, 0.25]])
