"""Which pairs of a tile can't be in any list, found at a fraction of the wide product's cost.

An influence is sum_t (a_t . b_t)(e_t . f_t) with wide activations a, b and narrow errors e, f. For
orthonormal columns V, a . b = (V'a) . (V'b) + r . s with residuals r, s, and |r . s| <= |r||s|: so
the narrow products give an interval for every pair (the residual bound of Teflioudi, Gemulla and
Mykytiuk, LEMP, SIGMOD 2015, section 4, with a learnt basis). The pairs with the best centres are
computed first; a pair whose interval lies below the k-th best of those is out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

RANK = 32
GROUP = 48
SAMPLE = 128
SHARE = 8  # columns of a set that stand for one
ROWS = 512  # samples at once, so that their norms are taken while a core's cache holds them
COLUMNS = 4096  # training samples at once, so that a group's intervals stay in a core's cache
UNIT = 2.0**-24
SMALLEST = 2.0**-126  # below it digits of float32 are lost
SCALES = 2.0**14  # by which a centre's factors, divided by bounds of residuals, may be larger


@dataclass
class Side:
    """The test or the training samples of a tile: one activation and error matrix per slot.

    The test samples' errors hold the learning rate.
    """

    ids: Tensor  # int64 [n]
    activations: list[Tensor]  # float32 [n, d]
    errors: list[Tensor]  # float32 [n, classes]

    def __len__(self) -> int:
        return len(self.ids)


class Bound:
    """Intervals for the influences of a tile."""

    def __init__(self, test: Side, train: Side) -> None:
        # A float32 sum of so many terms was never off by more than a hundredth of this.
        self.rounding = 4 * test.activations[0].shape[1] * UNIT
        # Below float32's range nothing is relative: squared, this makes up for products down there.
        self.tiny = math.sqrt(SCALES * test.errors[0].shape[1] * SMALLEST / self.rounding)
        bases = [_basis(a, b) for a, b in zip(test.activations, train.activations, strict=True)]
        self.test_slots, self.test_size = self._project(test, bases)
        self.train_slots, self.train_size = self._project(train, bases)

    @staticmethod
    def worthwhile(test: Side, train: Side, k: int) -> bool:
        """Whether intervals cost little beside the wide product."""
        depth, classes = test.activations[0].shape[1], test.errors[0].shape[1]
        cheap = 8 * (RANK + 2 * classes) <= depth
        large = RANK * (1 / len(test) + 1 / len(train)) <= 0.04
        return cheap and large and 4 * k <= len(train)

    def finite(self) -> bool:
        """Whether no product of the tile can overflow, not even of the largest of each slot."""
        largest = self.test_size.amax(dim=0) * self.train_size.amax(dim=0)
        return math.isfinite(float(largest.sum()))

    def _project(
        self, side: Side, bases: list[Tensor]
    ) -> tuple[list[tuple[Tensor, Tensor]], Tensor]:
        """Per slot: errors * r [n, classes] and projections / r [n, RANK]; sizes [n, slots].

        r bounds the norm of a sample's residual from above: so the products of the errors hold the
        radii, and with those of the projections the centres. A size is |activation||error|, and a
        little more.
        """
        slots, sizes = [], []
        for a, errors, basis in zip(side.activations, side.errors, bases, strict=True):
            projected, norm = torch.empty(len(side), RANK), torch.empty(len(side))
            for start in range(0, len(side), ROWS):
                part = slice(start, start + ROWS)
                torch.mm(a[part], basis, out=projected[part])
                torch.linalg.vector_norm(a[part], dim=1, out=norm[part])
            left = (norm.square() - projected.square().sum(dim=1)).clamp_min(0)
            rest = (left + self.rounding * norm.square()).sqrt()[:, None]
            slots.append((errors * rest, projected / torch.where(rest > 0, rest, 1.0)))
            sizes.append(norm * (errors.norm(dim=1) + self.tiny))
        return slots, torch.stack(sizes, dim=1)

    def intervals(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Centres, lower and upper ends of intervals around the influences as they are computed.

        Each is [rows, n_train].
        """
        samples = len(self.train_size)
        centre, below, above = torch.empty(3, len(rows), samples)
        sizes = self.rounding * self.test_size[rows]
        test = [(errors[rows], projected[rows]) for errors, projected in self.test_slots]
        for start in range(0, samples, COLUMNS):
            part = slice(start, start + COLUMNS)
            middle, radius = centre[:, part].zero_(), sizes @ self.train_size[part].T
            for (errors, projected), (narrow, low) in zip(test, self.train_slots, strict=True):
                product = errors @ narrow[part].T
                middle.addcmul_(product, projected @ low[part].T)
                radius.add_(product.abs_())
            torch.sub(middle, radius, out=below[:, part])
            torch.add(middle, radius, out=above[:, part])
        return centre, below, above


def likely(centre: Tensor, k: int) -> Tensor:
    """Columns, bool [m], that hold at least k of the largest and of the smallest of each row."""
    least, most = _kth(centre, k, largest=True), _kth(centre, k, largest=False)
    return _some_beyond(centre, centre, least, most)


def missing(low: Tensor, high: Tensor, seen: Tensor, scores: Tensor, k: int) -> Tensor:
    """Columns, bool [m], not in `seen` that may still be in a list, given the scores of those seen.

    A score that is one of the k best of those seen keeps out every pair whose interval ends below.
    """
    best, worst = (sign * (sign * scores).topk(k, dim=1).values[:, -1:] for sign in (1, -1))
    return _some_beyond(high, low, best, worst) & ~seen


def _some_beyond(high: Tensor, low: Tensor, least: Tensor, most: Tensor) -> Tensor:
    """Columns, bool [m], where some row's `high` is at least `least` or its `low` at most `most`.

    A difference has the sign of a comparison, and its extremes take a fraction of the time of
    "any" over the rows of truth values.
    """
    return ((high - least).amax(dim=0) >= 0) | ((low - most).amin(dim=0) <= 0)


def _kth(values: Tensor, k: int, largest: bool) -> Tensor:
    """At most the k-th largest of each row, or at least the k-th smallest: [n, m] -> [n, 1].

    It is nearly that: the k-th among the extremes of disjoint sets of columns, which are far fewer.
    Sets take columns far apart, since samples are often sorted by class.
    """
    share = SHARE if values.shape[1] >= 2 * SHARE * k else 1
    width = values.shape[1] // share
    sets = values[:, : share * width].unflatten(1, (share, width))
    extremes = sets.amax(dim=1) if largest else sets.amin(dim=1)
    return extremes.topk(k, dim=1, largest=largest).values[:, -1:]


def _basis(test: Tensor, train: Tensor) -> Tensor:
    """Orthonormal directions [d, RANK] that hold most of both sides' activations."""
    rows = torch.cat([part[:: max(1, len(part) // SAMPLE)] for part in (test, train)])
    vectors = torch.linalg.eigh(rows @ rows.T).eigenvectors
    return torch.linalg.qr(rows.T @ vectors[:, -RANK:]).Q


def alike(side: Side) -> list[Tensor]:
    """Groups of nearly GROUP rows whose errors point the same way, near groups side by side.

    Cut again and again across the direction in which the rows differ most.
    """
    directions = torch.nn.functional.normalize(torch.cat(side.errors, dim=1))
    done, todo = [], [(torch.arange(len(side)), math.ceil(len(side) / GROUP))]
    while todo:
        rows, groups = todo.pop()
        if groups == 1:
            done.append(rows)
            continue
        centred = directions[rows] - directions[rows].mean(dim=0)
        along = centred @ torch.linalg.eigh(centred.T @ centred).eigenvectors[:, -1]
        ordered, first = rows[along.argsort()], groups // 2
        half = len(rows) * first // groups
        todo += [(ordered[half:], groups - first), (ordered[:half], first)]
    return done
