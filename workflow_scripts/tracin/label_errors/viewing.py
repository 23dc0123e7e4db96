"""Passing several views of each image through a network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from tracin.arithmetic import Precision
from tracin.checkpoints import read_metadata
from tracin.images import Augmentation, TrainingImages, collate, start_method
from tracin.inference import forward, passes, sharers
from tracin.label_errors.views import Views
from tracin.memory import halving
from tracin.model import final_linear
from tracin.samples import Samples

Passes = Iterator[tuple[slice, Tensor, Tensor]]
JOINED = 16  # batches whose results are copied from a GPU at once


@dataclass(frozen=True)
class Viewing:
    """Which views of an image are averaged, beside the centre crop."""

    augmentation: Augmentation  # as in training; its mirror image counts as a view where it flips
    random: int  # random views
    input_size: int
    batch_size: int
    precision: Precision = "float32"  # of the passes
    workers: int = 0  # processes that make random views


def checkpoint_before(best: Path | str, slots: Sequence[Path | str]) -> list[Path | str]:
    """The last checkpoint before the best weights, if any: it has learned less by heart."""
    epochs = {read_metadata(path).epoch: path for path in slots}
    before = [epoch for epoch in epochs if epoch < read_metadata(best).epoch]
    return [epochs[max(before)]] if before else []


def see(
    model: torch.nn.Module,
    pixels: np.ndarray,
    samples: Samples,
    viewing: Viewing,
    device: torch.device,
    earlier: Sequence[torch.nn.Module] = (),
) -> Views:
    """Pass the views of all samples through the network and average.

    Averaging over label-preserving views is test-time augmentation (Krizhevsky, Sutskever and
    Hinton, NeurIPS 2012, section 4.1). What preserves the label, training's augmentation says.
    Works in smaller batches where memory runs out.

    Args:
        earlier: the network at earlier checkpoints: each adds its probabilities of the plain view
            and the mirror image (a snapshot ensemble: Huang et al., ICLR 2017).
    """

    def by(size: int) -> Views:
        smaller = replace(viewing, batch_size=size)
        return _averaged(model, pixels, samples, smaller, device, earlier)

    return halving(viewing.batch_size, by)


def _averaged(
    model: torch.nn.Module,
    pixels: np.ndarray,
    samples: Samples,
    viewing: Viewing,
    device: torch.device,
    earlier: Sequence[torch.nn.Module],
) -> Views:
    """What `see` says, in batches of the size that `viewing` has."""
    still = [pixels, pixels[:, :, ::-1]] if viewing.augmentation.horizontal_flip else [pixels]
    # None of the passes has begun: each does when what it sees is added.
    first, *others = [_pass(model, view, samples.ids, viewing, device) for view in still]
    for number in range(viewing.random):
        others.append(_random_pass(model, pixels, samples, viewing, number, device))
    before = [_pass(net, view, samples.ids, viewing, device) for net in earlier for view in still]
    final = final_linear(model)
    probabilities = torch.zeros(len(samples), final.out_features)
    features = torch.zeros(len(samples), final.in_features)
    _add(first, probabilities, features)
    plain = probabilities.clone()
    for seen in others:
        _add(seen, probabilities, features)
    for seen in before:
        _add(seen, probabilities)
    probabilities /= 1 + len(others) + len(before)
    torch.nn.functional.normalize(features, dim=1, out=features)
    return Views(samples.ids, probabilities.numpy(), plain.numpy(), features.numpy())


def _pass(
    model: torch.nn.Module,
    pixels: np.ndarray,
    ids: np.ndarray,
    viewing: Viewing,
    device: torch.device,
) -> Passes:
    """Passes of the centre crops."""
    size, batch_size = viewing.input_size, viewing.batch_size
    return forward(model, pixels, ids, size, batch_size, device, viewing.precision)


def _add(seen: Passes, probabilities: Tensor, features: Tensor | None = None) -> None:
    """Add what passes see to the probabilities [n, classes] and final inputs [n, d] of their rows.

    In place, since the features of all images are what takes the memory.
    """
    # A copy waits for its batch: of many at once, a GPU seldom waits for the next.
    while some := list(islice(seen, JOINED)):
        rows = slice(some[0][0].start, some[-1][0].stop)
        probabilities[rows] += torch.cat([logits for _, logits, _ in some]).softmax(dim=1).cpu()
        if features is not None:
            features[rows] += torch.cat([inputs for _, _, inputs in some]).cpu()


def _random_pass(
    model: torch.nn.Module,
    pixels: np.ndarray,
    samples: Samples,
    viewing: Viewing,
    seed: int,
    device: torch.device,
) -> Passes:
    """Passes of one random view of each sample, the same whatever the batches."""
    # What is painted over can't be seen.
    augmentation = replace(viewing.augmentation, erasing=0.0)
    images = TrainingImages(pixels, samples.ids, samples.labels, augmentation, viewing.input_size)
    seeds = np.random.default_rng(seed).integers(0, 2**62, len(samples)).tolist()
    threads = sharers(viewing.batch_size, device)
    loader = DataLoader(
        images,
        batch_size=-(-viewing.batch_size // threads),
        sampler=list(enumerate(seeds)),
        num_workers=viewing.workers,
        multiprocessing_context=start_method(viewing.workers),
        collate_fn=collate,
        pin_memory=device.type == "cuda",
    )
    count = len(loader)
    return passes(model, loader, count, lambda batch: batch[0], threads, device, viewing.precision)
