"""Images as one network sees them: probabilities averaged over views, and unit features."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from tracin.files import atomic_path
from tracin.inference import forward
from tracin.samples import Samples


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
            ValueError: a sample is not there.
        """
        rows = np.searchsorted(self.sample_id, sample_id)
        rows = np.minimum(rows, len(self.sample_id) - 1)
        if not np.array_equal(self.sample_id[rows], sample_id):
            raise ValueError("views lack some of the samples: rerun the rule views.")
        return Views(sample_id, self.probabilities[rows], self.plain[rows], self.features[rows])


def see(
    model: torch.nn.Module,
    pixels: np.ndarray,
    samples: Samples,
    input_size: int,
    mirror: bool,
    batch_size: int,
    device: torch.device,
) -> Views:
    """Pass the images, and with `mirror` their mirror images too, through the network.

    Averaging over label-preserving views is test-time augmentation (Krizhevsky, Sutskever and
    Hinton, NeurIPS 2012, section 4.1); an image of digits or letters has no such mirror image.
    """
    probabilities, features = [], []
    for mirrored in (False, True)[: 1 + mirror]:
        passes = forward(model, pixels, samples.ids, input_size, batch_size, device, mirrored)
        batches = [(logits.softmax(dim=1).cpu(), inputs.cpu()) for _, logits, inputs in passes]
        probabilities.append(torch.cat([p for p, _ in batches]))
        features.append(torch.cat([f for _, f in batches]))
    mean = torch.stack(features).mean(dim=0)
    unit = torch.nn.functional.normalize(mean, dim=1)
    averaged = torch.stack(probabilities).mean(dim=0)
    return Views(samples.ids, averaged.numpy(), probabilities[0].numpy(), unit.numpy())


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
