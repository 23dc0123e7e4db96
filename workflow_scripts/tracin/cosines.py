"""Gradients of length one, so that their influences are cosines."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace

import torch
from torch import Tensor

from tracin.shards import Slot

SMALLEST = 2.0**-126  # a float32's normal range begins here


class UnitLength:
    """The slots with every sample's gradient divided by its norm, so that influences are cosines.

    The norm is the root of the self-influence over all slots, which are read once more for it. A
    gradient that is zero, or too small for a float32, stays zero.
    """

    def __init__(self, slots: Iterable[Slot]) -> None:
        self.slots, norm = slots, torch.zeros(())
        for factors, rate in slots:
            head = _norm(factors.errors) * _norm(factors.activations)
            others = ((_norm(s.values), s.learning_rate) for s in factors.sketches.values())
            for part, weight in ((head, rate), *others):
                norm = torch.hypot(norm, math.sqrt(weight) * part)
        # NaN for an infinite norm, so that the pair is named.
        inverse = torch.where(norm < SMALLEST, 0.0, norm.reciprocal() + 0.0 * norm)
        self.inverse = inverse[..., None]
        self.samples = len(self.inverse)

    def __iter__(self) -> Iterator[Slot]:
        for factors, rate in self.slots:
            errors = factors.errors * self.inverse
            sketches = {
                part: replace(s, values=s.values * self.inverse)
                for part, s in factors.sketches.items()
            }
            yield replace(factors, errors=errors, sketches=sketches), rate


def _norm(rows: Tensor) -> Tensor:
    """Norms [n] of rows whose squares may be too small for a float32."""
    largest = rows.abs().amax(dim=1, keepdim=True)
    unit = rows / torch.where(largest > 0, largest, 1.0)
    return unit.norm(dim=1) * largest[:, 0]
