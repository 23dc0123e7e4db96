"""What one network, or several, say of the class of each training image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from scipy.special import softmax

from tracin.errors import UserError
from tracin.files import atomic_path
from tracin.label_errors import signals
from tracin.label_errors.neighbours import mean_over
from tracin.label_errors.views import Views

VOTES = 2  # training's, and that of the best weights


@dataclass(frozen=True)
class Votes:
    """Of n training images: log-probabilities, float32 [n, classes], and the loss of training."""

    sample_id: np.ndarray  # int64 [n], rising
    recent: np.ndarray  # the last epochs of training; NaN where an image was not trained on
    views: np.ndarray  # the best weights, of the image in several views
    around: np.ndarray  # the same of its nearest neighbours
    loss_mean: np.ndarray  # float32 [n], over the epochs; NaN where an image was not trained on

    @property
    def unseen(self) -> np.ndarray:
        """The images that the network was not trained on, bool [n]."""
        return np.isnan(self.loss_mean)


def cast_votes(views: Views, neighbours: np.ndarray, dynamics: Mapping[str, np.ndarray]) -> Votes:
    """The votes of one network on the images of `views`, whose neighbours are rows [n, k]."""
    recent = np.full_like(views.probabilities, np.nan)
    loss_mean = np.full(len(recent), np.nan, dtype=np.float32)
    rows = np.searchsorted(views.sample_id, dynamics["sample_id"])
    recent[rows] = dynamics["log_probabilities"]
    loss_mean[rows] = signals.mean_loss(dynamics["loss"])
    around = mean_over(neighbours, views.probabilities)
    return Votes(
        views.sample_id, recent, signals.log(views.probabilities), signals.log(around), loss_mean
    )


def joined(networks: Sequence[Votes]) -> Votes:
    """The mean votes of several networks, training's of those that were trained on the image.

    Geometric means of probabilities: an ensemble (Lakshminarayanan, Pritzel and Blundell,
    NeurIPS 2017).

    Raises:
        UserError: they are about other images.
    """
    first = networks[0].sample_id
    if not all(np.array_equal(first, other.sample_id) for other in networks):
        raise UserError(
            "The votes of the networks are about other images. Run again with --forcerun votes."
        )
    names = [f.name for f in fields(Votes)][1:]
    return Votes(first, *(np.nanmean([getattr(v, n) for v in networks], axis=0) for n in names))


def out_of_fold(networks: Sequence[Votes]) -> np.ndarray | None:
    """Mean log-probabilities [n, classes] by the networks that never saw the image.

    None where each was trained on all images.
    """
    weights = np.stack([v.unseen for v in networks]).astype(np.float32)
    if not weights.any():
        return None
    total = sum(v.views * w[:, None] for v, w in zip(networks, weights, strict=True))
    return np.asarray(total / weights.sum(axis=0)[:, None])


def posterior(given: Votes) -> np.ndarray:
    """Product of experts (Hinton, Neural Computation 2002, equation 1): probabilities [n, C].

    The two votes are training's recent epochs and the best weights; the latter share theirs
    between what they say of the image itself and of its neighbours.
    """
    total = given.recent + 0.5 * (given.views + given.around)
    return softmax(total.astype(np.float64), axis=1)


def save_votes(votes: Votes, path: Path | str) -> None:
    """Write the arrays as safetensors."""
    with atomic_path(path) as temporary:
        save_file({name: torch.from_numpy(a) for name, a in vars(votes).items()}, temporary)


def read_votes(path: Path | str) -> Votes:
    """What `save_votes` wrote."""
    return Votes(**{name: tensor.numpy() for name, tensor in load_file(path).items()})
