"""Votes: of one network, of several, of those that never saw an image."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import softmax

from tracin.label_errors.probe import probe
from tracin.label_errors.views import Views
from tracin.label_errors.votes import (
    Votes,
    cast_votes,
    joined,
    memorised,
    out_of_fold,
    posterior,
    read_votes,
    save_votes,
)
from tracin.samples import Samples

NAN = float("nan")
NOTHING = np.array(0, np.float32)
# Three training images, the second of which was left out, and four validation images.
TRAIN = Samples(np.array([3, 5, 8]), np.array([1, 0, 1]))
VAL = Samples(np.array([11, 12, 13, 14]), np.zeros(4, dtype=np.int64))
ZEROS = np.zeros(10_000, dtype=np.int64)
DYNAMICS = {
    "sample_id": np.array([3, 8]),
    "loss": np.array([[1.0, 5.0], [NAN, 7.0]]),
}


def views(right: int, val: Samples = VAL) -> Views:
    """Sure of every training label, and of as many validation labels as said."""
    trained = [[0.2, 0.8], [0.9, 0.1], [0.4, 0.6]]
    held_out = [[0.9, 0.1]] * right + [[0.1, 0.9]] * (len(val) - right)
    probabilities = np.array(trained + held_out, dtype=np.float32)
    ids = np.concatenate([TRAIN.ids, val.ids])
    return Views(ids, probabilities, probabilities, np.eye(len(ids), dtype=np.float32))


def known(right: int, of: int) -> np.ndarray:
    """Whether each of some labels is known."""
    return np.arange(of) < right


def votes(output: list[float], late: float) -> Votes:
    """Votes on two images of one class each, by hand: the second was not trained on."""
    return Votes(
        np.array([3, 5]),
        np.array(output, dtype=np.float32)[:, None],
        np.array(output, dtype=np.float32)[:, None],
        np.array([late, NAN], dtype=np.float32),
        np.array(late / 10, np.float32),
    )


def test_memorised_is_the_part_of_what_was_unknown() -> None:
    many = known(600_000, 1_000_000)
    assert memorised(known(9, 10), many) == pytest.approx(0.75, abs=1e-2)
    assert memorised(many, many) == memorised(known(5, 10), many) == 0.0
    assert memorised(known(8, 8), many) == memorised(known(8, 8), known(7, 8)) == 1.0
    assert memorised(known(8, 8), known(3, 3)) == 0.0


def test_few_validation_images_are_no_proof() -> None:
    """Wilson's upper limit for 6 of 10, by hand with z = 1.96 and its formula, is 0.8318."""
    assert memorised(known(9, 10), known(6, 10)) == pytest.approx(0.4055, abs=1e-3)
    assert memorised(known(9, 10), known(8, 10)) == 0.0


@pytest.mark.parametrize(("right", "share"), [(4, 0.0), (3, 1.0)])
def test_training_counts_as_far_as_it_was_learned_by_heart(right: int, share: float) -> None:
    """All labels of the training are known, but not all of the validation: by heart."""
    found = cast_votes(views(right), TRAIN, VAL, DYNAMICS)
    np.testing.assert_allclose(found.output, np.log(views(right).probabilities[:3]), rtol=1e-6)
    np.testing.assert_allclose(found.late, [share * 1.0, NAN, share * 6.0])
    assert found.memorised == share
    assert found.unseen.tolist() == [False, True, False]
    assert found.features.shape[0] == 3


@pytest.mark.filterwarnings("ignore:Mean of empty slice")
def test_an_image_that_the_only_epoch_missed_is_like_the_others() -> None:
    missed = {name: array.copy() for name, array in DYNAMICS.items()}
    missed["loss"][..., 1] = NAN
    found = cast_votes(views(3), TRAIN, VAL, missed)
    np.testing.assert_allclose(found.late, [1.0, NAN, 1.0])


def test_a_part_that_was_learned_by_heart_counts_squared() -> None:
    """Half of the training's labels are known and a quarter of the validation's: m is a third."""
    train, val = Samples(TRAIN.ids, np.array([1, 0, 0])), Samples(np.arange(11, 10_011), ZEROS)
    found = cast_votes(views(2500, val), train, val, DYNAMICS)
    assert found.memorised == pytest.approx(1 / 3, abs=0.01)
    np.testing.assert_allclose(found.late, np.array([1, NAN, 6]) * found.memorised**2, rtol=1e-5)


def test_votes_are_written_and_read(tmp_path) -> None:
    found = cast_votes(views(3), TRAIN, VAL, DYNAMICS)
    save_votes(found, tmp_path / "votes.safetensors")
    again = read_votes(tmp_path / "votes.safetensors")
    for name, array in vars(found).items():
        np.testing.assert_array_equal(array, vars(again)[name])


def test_dynamics_of_other_images_are_refused() -> None:
    with pytest.raises(ValueError, match="forcerun train"):
        cast_votes(views(3), TRAIN, VAL, DYNAMICS | {"sample_id": np.array([3, 9])})


def test_networks_are_averaged_and_training_counts_where_it_was() -> None:
    whole = replace(votes([-1, -2], 1), late=np.array([1.0, -7.0]))
    both = joined([whole, votes([-3, -5], 2)])
    np.testing.assert_allclose(both.output, [[-2.0], [-3.5]])
    np.testing.assert_allclose(both.features, [[-1, -3], [-2, -5]])
    np.testing.assert_allclose(both.late, [1.5, -7])
    assert both.memorised == pytest.approx(0.15)


def test_only_networks_without_the_image_count_out_of_fold() -> None:
    part = votes([-3, -5], 2)
    mirrored = replace(part, output=part.output[::-1], late=part.late[::-1])
    found = out_of_fold([part, mirrored])
    assert found is not None
    np.testing.assert_allclose(found, [[-5], [-5]])
    assert out_of_fold([joined([part, mirrored])]) is None


def test_votes_on_other_images_are_refused() -> None:
    part = votes([-3, -5], 2)
    other = replace(part, sample_id=np.array([3, 6]))
    with pytest.raises(ValueError, match="forcerun votes"):
        joined([part, other])


def test_features_that_say_nothing_leave_the_network_its_vote() -> None:
    labels = np.arange(20) % 2
    output = np.log(np.array([[0.9, 0.1], [0.1, 0.9]]))[labels]
    given = Votes(np.arange(20), output, np.ones((20, 1)), np.zeros(20), NOTHING)
    np.testing.assert_allclose(posterior(given, labels), np.exp(output), rtol=1e-3)


def test_what_is_held_for_wrong_has_little_weight_in_the_probe() -> None:
    """Features that say what the network says, and a few labels that say otherwise."""
    labels = np.arange(40) % 2
    wrong = np.arange(40) % 7 == 3
    truth = np.where(wrong, 1 - labels, labels)
    output = np.log(np.array([[0.9, 0.1], [0.1, 0.9]]))[truth]
    given = Votes(np.arange(40), output, np.eye(2)[truth] / 2, np.zeros(40), NOTHING)
    blind = softmax(output + probe(given.features, labels, np.ones(40), 2), axis=1)
    right = posterior(given, labels)[np.arange(40), labels]
    assert (right[wrong] < blind[wrong, labels[wrong]] / 2).all() and (right[~wrong] > 0.9).all()


def test_the_network_stands_in_for_a_probe_without_a_say() -> None:
    """The only image of its class."""
    labels = np.array([0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2])
    output = np.log(np.tile([[0.5, 0.3, 0.2]], (11, 1)))
    given = Votes(np.arange(11), output, np.eye(11), np.zeros(11), NOTHING)
    squares = np.array([0.5, 0.3, 0.2]) ** 2
    np.testing.assert_allclose(posterior(given, labels)[-1], squares / squares.sum())


def test_the_probe_counts_less_where_labels_are_learned_by_heart() -> None:
    """Of what it says, a quarter is left where a half is memorised, and nothing where all is."""
    labels = np.arange(20) % 2
    output = np.log(np.array([[0.9, 0.1], [0.1, 0.9]]))[labels]
    probed = probe(np.eye(2)[labels] / 2, labels, np.ones(20), 2)
    for share, left in ((0.0, 1.0), (0.5, 0.25), (1.0, 0.0)):
        given = Votes(np.arange(20), output, np.eye(2)[labels] / 2, np.zeros(20), np.array(share))
        wanted = softmax(output + left * probed, axis=1)
        np.testing.assert_allclose(posterior(given, labels), wanted, atol=5e-3)
