"""Passing several views of each image through a network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, product
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
from tracin.samples import Samples

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
        plain, features = _pass(model, pixels, samples.ids, smaller, device)
        probabilities, count = plain.clone(), 1
        mirrored = [pixels[:, :, ::-1]] if viewing.augmentation.horizontal_flip else []
        for source in [*mirrored, *range(viewing.random)]:
            if isinstance(source, int):
                seen = _random_pass(model, pixels, samples, smaller, source, device)
            else:
                seen = _pass(model, source, samples.ids, smaller, device)
            probabilities += seen[0]
            features += seen[1]
            count += 1
        for network, source in product(earlier, [pixels, *mirrored]):
            probabilities += _pass(network, source, samples.ids, smaller, device)[0]
            count += 1
        unit = torch.nn.functional.normalize(features, dim=1)
        return Views(samples.ids, (probabilities / count).numpy(), plain.numpy(), unit.numpy())

    return halving(viewing.batch_size, by)


def _pass(
    model: torch.nn.Module,
    pixels: np.ndarray,
    ids: np.ndarray,
    viewing: Viewing,
    device: torch.device,
) -> tuple[Tensor, Tensor]:
    """Probabilities [n, classes] and final inputs [n, d] of the centre crops."""
    size, batch_size = viewing.input_size, viewing.batch_size
    return _gathered(forward(model, pixels, ids, size, batch_size, device, viewing.precision))


def _gathered(seen: Iterator[tuple[slice, Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Probabilities and final inputs of all batches, on the CPU."""
    kept: list[tuple[Tensor, Tensor]] = []
    # A copy waits for its batch: of many at once, a GPU seldom waits for the next.
    while some := list(islice(seen, JOINED)):
        logits = torch.cat([logits for _, logits, _ in some])
        inputs = torch.cat([inputs for _, _, inputs in some])
        kept.append((logits.softmax(dim=1).cpu(), inputs.cpu()))
    probabilities, features = (torch.cat(part) for part in zip(*kept, strict=True))
    return probabilities, features


def _random_pass(
    model: torch.nn.Module,
    pixels: np.ndarray,
    samples: Samples,
    viewing: Viewing,
    seed: int,
    device: torch.device,
) -> tuple[Tensor, Tensor]:
    """The same of one random view of each sample, whatever the batches."""
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
    return _gathered(
        passes(
            model, loader, len(loader), lambda batch: batch[0], threads, device, viewing.precision
        )
    )
