"""What one network, or several, say of the class of each training image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from scipy.special import softmax
from scipy.stats import binomtest

from tracin.errors import UserError
from tracin.files import atomic_path
from tracin.label_errors import signals
from tracin.label_errors.estimate import shares_by, true_class, weight
from tracin.label_errors.probe import principal, probe
from tracin.label_errors.views import Views
from tracin.samples import Samples


@dataclass(frozen=True)
class Votes:
    """What a network says of n training images."""

    sample_id: np.ndarray  # int64 [n], rising
    output: np.ndarray  # float32 [n, classes], log-probabilities averaged over its views
    features: np.ndarray  # float32 [n, d], for a probe
    late: np.ndarray  # float32 [n], see `cast_votes`; NaN where an image was not trained on
    memorised: np.ndarray  # float32, of no dimension: see `memorised`

    @property
    def unseen(self) -> np.ndarray:
        """The images that the network was not trained on, bool [n]."""
        return np.isnan(self.late)


def memorised(trained: np.ndarray, held_out: np.ndarray) -> float:
    """How much of what it could not know a network knows on the images of its training.

    0 where its views agree with as large a share of the given labels there as on the validation
    images, 1 where training was learned by heart. What the number of validation images leaves open
    is no reason to believe the latter: their share is taken as high as it may be, the upper limit
    of its 95% interval (Wilson, JASA 1927).

    Args:
        trained: whether its views agree with the label of each training image, bool [n].
        held_out: the same of each validation image, bool [m].
    """
    known = binomtest(int(held_out.sum()), len(held_out)).proportion_ci(method="wilson").high
    return float(np.clip((trained.mean() - known) / max(1.0 - known, 1e-12), 0.0, 1.0))


def cast_votes(
    views: Views, train: Samples, val: Samples, dynamics: Mapping[str, np.ndarray]
) -> Votes:
    """The votes of one network on the `train` images, some of which it was trained on.

    `late` is their mean loss over all epochs of training, which tells the labels that were learned
    late: where they are learned by heart, the final outputs only repeat them. Where they are not,
    it says less than the outputs, so it counts by the square of what is `memorised`: any network
    knows a little more of the images of its training.

    Raises:
        UserError: the views or the dynamics are about other images.
    """
    said, held_out = views.only(train.ids), views.only(val.ids)
    rows = rows_of(train.ids, dynamics["sample_id"], "dynamics")
    trained = said.probabilities[rows].argmax(axis=1) == train.labels[rows]
    validated = held_out.probabilities.argmax(axis=1) == val.labels
    late = np.full(len(train), np.nan, dtype=np.float32)
    share = memorised(trained, validated)
    losses = signals.mean_loss(dynamics["loss"])
    # An only epoch may have missed an image: nothing is known of it, so it is like the others.
    late[rows] = share**2 * np.where(np.isnan(losses), np.nanmedian(losses), losses)
    output, features = signals.log(said.probabilities), principal(said.features)
    return Votes(train.ids, output, features, late, np.array(share, np.float32))


def rows_of(ids: np.ndarray, some: np.ndarray, name: str) -> np.ndarray:
    """Where each of `some` is among `ids`, both ascending; `name` says whose they are.

    Raises:
        UserError: one is not there.
    """
    rows = np.minimum(np.searchsorted(ids, some), len(ids) - 1)
    if not np.array_equal(ids[rows], some):
        raise UserError(
            f"The {name} of this run are about other samples. Run again with --forcerun train."
        )
    return rows


def joined(networks: Sequence[Votes]) -> Votes:
    """The votes of several networks: mean outputs, features side by side.

    Geometric means of probabilities: an ensemble (Lakshminarayanan, Pritzel and Blundell,
    NeurIPS 2017). `late` is the mean of those that were trained on the image.

    Raises:
        UserError: they are about other images.
    """
    first = networks[0].sample_id
    if not all(np.array_equal(first, other.sample_id) for other in networks):
        raise UserError(
            "The votes of the networks are about other images. Run again with --forcerun votes."
        )
    return Votes(
        first,
        np.mean([v.output for v in networks], axis=0),
        principal(np.concatenate([v.features for v in networks], axis=1)),
        np.nanmean([v.late for v in networks], axis=0),
        np.asarray(np.mean([v.memorised for v in networks])),
    )


def out_of_fold(networks: Sequence[Votes]) -> np.ndarray | None:
    """Mean log-probabilities [n, classes] by the networks that never saw the image.

    None where each was trained on all images.
    """
    weights = np.stack([v.unseen for v in networks]).astype(np.float32)
    if not weights.any():
        return None
    total = sum(v.output * w[:, None] for v, w in zip(networks, weights, strict=True))
    return np.asarray(total / weights.sum(axis=0)[:, None])


def posterior(given: Votes, labels: np.ndarray, contents: np.ndarray | None = None) -> np.ndarray:
    """Product of experts (Hinton, Neural Computation 2002, equation 1): probabilities [n, C].

    The experts are the network and, by its `weight`, a probe on its features; where the probe has
    no say, the network's vote stands for it. The probe is fitted a second time, to each image by
    the probability that its label is right (importance reweighting: Liu and Tao, TPAMI 2016).
    `contents` [n] tell copies of an image.
    """
    by = weight(float(given.memorised))

    def product(weights: np.ndarray) -> np.ndarray:
        probed = probe(given.features, labels, weights, given.output.shape[1], contents)
        return given.output + by * np.where(np.isnan(probed), given.output, probed)

    first = product(np.ones(len(labels)))
    right = signals.own(true_class(first, labels, shares_by(first, labels, by), by), labels)
    return softmax(product(right), axis=1)


def save_votes(votes: Votes, path: Path | str) -> None:
    """Write the arrays as safetensors."""
    with atomic_path(path) as temporary:
        save_file(
            {name: torch.from_numpy(np.asarray(a)) for name, a in vars(votes).items()}, temporary
        )


def read_votes(path: Path | str) -> Votes:
    """What `save_votes` wrote."""
    return Votes(**{name: tensor.numpy() for name, tensor in load_file(path).items()})
