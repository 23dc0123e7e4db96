"""What a network says of images: probabilities averaged over views, and unit features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from scipy.special import softmax

from tracin.errors import UserError
from tracin.files import atomic_path
from tracin.label_errors.signals import log


@dataclass(frozen=True)
class Views:
    """What a network says of n images."""

    sample_id: np.ndarray  # int64 [n]
    probabilities: np.ndarray  # float32 [n, classes], mean over the views
    plain: np.ndarray  # float32 [n, classes], the centre crop alone
    features: np.ndarray  # float32 [n, d], mean input of the final layer, of length one

    def only(self, sample_id: np.ndarray) -> Views:
        """The rows of some samples, in their order; `sample_id` ascends.

        Raises:
            UserError: a sample is not there.
        """
        rows = np.searchsorted(self.sample_id, sample_id)
        rows = np.minimum(rows, len(self.sample_id) - 1)
        if not np.array_equal(self.sample_id[rows], sample_id):
            raise UserError("The views lack some of the samples. Run again with --forcerun views.")
        return Views(sample_id, self.probabilities[rows], self.plain[rows], self.features[rows])


def together(networks: Sequence[Views]) -> np.ndarray:
    """What several networks say of the same n images: mean probabilities [n, classes], geometric.

    As `votes.joined` takes them on the training images.
    """
    logs = [log(views.probabilities) for views in networks]
    return np.asarray(softmax(np.mean(logs, axis=0), axis=1))


def save_views(views: Views, path: Path | str) -> None:
    """Write the arrays of `views` as safetensors, features in float16."""
    tensors = {name: torch.from_numpy(array) for name, array in vars(views).items()}
    tensors["features"] = tensors["features"].half()
    with atomic_path(path) as temporary:
        save_file(tensors, temporary)


def read_views(path: Path | str) -> Views:
    """What `save_views` wrote."""
    arrays = {name: tensor.numpy() for name, tensor in load_file(path).items()}
    arrays["features"] = arrays["features"].astype(np.float32)
    return Views(**arrays)
