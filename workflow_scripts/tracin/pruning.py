"""Which pairs of a tile can't be in any list, found at a fraction of the wide product's cost.

An influence is sum_t (a_t . b_t)(e_t . f_t) with wide activations a, b and narrow errors e, f. For
orthonormal columns V, a . b = (V'a) . (V'b) + r . s with residuals r, s, and |r . s| <= |r||s|: so
the narrow products give an interval for every pair (the residual bound of Teflioudi, Gemulla and
Mykytiuk, LEMP, SIGMOD 2015, section 4, with a learnt basis). A pair whose interval lies below the
k-th best lower end of its row is out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

RANK = 32
GROUP = 64
SAMPLE = 256
UNIT = 2.0**-24


@dataclass
class Side:
    """The test or the training samples of a tile: one activation and error matrix per slot.

    Errors hold the learning rate and, for cosines, the sample's norm, if that is wanted.
    """

    ids: Tensor  # int64 [n]
    activations: list[Tensor]  # float32 [n, d]
    errors: list[Tensor]  # float32 [n, classes]

    def __len__(self) -> int:
        return len(self.ids)


def worthwhile(test: Side, train: Side) -> bool:
    """Whether bounds cost little beside the wide product, and no product can overflow."""
    depth, classes = test.activations[0].shape[1], test.errors[0].shape[1]
    cheap = 8 * (RANK + 2 * classes) <= depth
    large = RANK * (1 / len(test) + 1 / len(train)) <= 0.04
    return cheap and large and math.isfinite(float((_sizes(test) @ _sizes(train).T).max()))


def _sizes(side: Side) -> Tensor:
    """|activation||error|, [n, slots]."""
    pairs = zip(side.activations, side.errors, strict=True)
    return torch.stack([a.norm(dim=1) * e.norm(dim=1) for a, e in pairs], dim=1)


class Bound:
    """Intervals for the influences of a tile."""

    def __init__(self, test: Side, train: Side) -> None:
        self.test, self.train = test, train
        depth = test.activations[0].shape[1]
        # Worst case of a float32 product of `depth` terms, twice: in the score and in the bound.
        self.rounding = 4 * depth * UNIT
        self.test_size, self.train_size = _sizes(test), _sizes(train)
        bases = [_basis(a, b) for a, b in zip(test.activations, train.activations, strict=True)]
        self.test_low, self.test_rest = self._project(test, bases)
        self.train_low, self.train_rest = self._project(train, bases)

    def _project(self, side: Side, bases: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Per slot: projections [n, RANK], and upper bounds of the residuals' norms [n]."""
        low = [a @ v for a, v in zip(side.activations, bases, strict=True)]
        rest = []
        for activations, projected in zip(side.activations, low, strict=True):
            whole = activations.square().sum(dim=1)
            left = (whole - projected.square().sum(dim=1)).clamp_min(0)
            rest.append((left + self.rounding * whole).sqrt())
        return low, rest

    def intervals(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Lower and upper ends, [rows, n_train] each, of the influences as they are computed."""
        centre = torch.zeros(len(rows), len(self.train))
        radius = (self.rounding * self.test_size[rows]) @ self.train_size.T
        for slot, errors in enumerate(self.train.errors):
            product = self.test.errors[slot][rows] @ errors.T
            low = self.test_low[slot][rows] @ self.train_low[slot].T
            centre.addcmul_(product, low)
            product.abs_().mul_(self.train_rest[slot])
            radius.addcmul_(product, self.test_rest[slot][rows, None])
        return centre - radius, radius.add_(centre)

    def candidates(self, rows: Tensor, k: int, likely: Tensor | None = None) -> Tensor:
        """Training columns, ascending, that may be in a list of one of the test rows.

        Args:
            rows: [r] test rows, best alike.
            likely: columns that probably hold most of the lists: the k-th best among them bounds
                the k-th best of all, at less cost.
        """
        low, high = self.intervals(rows)
        if likely is None or len(likely) < k:
            likely = torch.arange(len(self.train))
        best = low[:, likely].topk(k, dim=1).values[:, -1:]
        worst = high[:, likely].topk(k, dim=1, largest=False).values[:, -1:]
        reach = ((high >= best) | (low <= worst)).any(dim=0)
        # A product of very few columns takes another kernel, which rounds otherwise.
        reach[:GROUP] = True
        return reach.nonzero().flatten()


def _basis(test: Tensor, train: Tensor) -> Tensor:
    """Orthonormal directions [d, RANK] that hold most of both sides' activations."""
    rows = torch.cat([part[:: max(1, len(part) // SAMPLE)] for part in (test, train)])
    vectors = torch.linalg.eigh(rows @ rows.T).eigenvectors
    return torch.linalg.qr(rows.T @ vectors[:, -RANK:]).Q


def alike(side: Side) -> list[Tensor]:
    """Groups of at most GROUP rows whose errors point the same way, near groups side by side.

    Halved again and again along the direction in which they differ most.
    """
    directions = torch.nn.functional.normalize(torch.cat(side.errors, dim=1))
    groups, todo = [], [torch.arange(len(side))]
    while todo:
        rows = todo.pop()
        if len(rows) <= GROUP:
            groups.append(rows)
            continue
        centred = directions[rows] - directions[rows].mean(dim=0)
        along = centred @ torch.linalg.eigh(centred.T @ centred).eigenvectors[:, -1]
        ordered = rows[along.argsort()]
        half = len(rows) // 2
        todo += [ordered[half:], ordered[:half]]
    return groups
