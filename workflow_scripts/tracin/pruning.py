"""Which pairs of a tile can't be in any list, found at a fraction of the wide product's cost.

An influence is sum_t (a_t . b_t)(e_t . f_t) with wide activations a, b and narrow errors e, f. For
orthonormal columns V, a . b = (V'a) . (V'b) + r . s with residuals r, s, and |r . s| <= |r||s|: so
the narrow products give an interval for every pair (the residual bound of Teflioudi, Gemulla and
Mykytiuk, LEMP, SIGMOD 2015, section 4, with a learnt basis). The pairs with the best centres are
computed first; a pair whose interval lies below the k-th best of those is out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from tracin.shards import Factors

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

    ids: Tensor = field(default_factory=lambda: torch.empty(0))  # int64 [n]
    activations: list[Tensor] = field(default_factory=list)  # float32 [n, d]
    errors: list[Tensor] = field(default_factory=list)  # float32 [n, classes]

    def __len__(self) -> int:
        return len(self.ids)

    def add(self, factors: Factors, weight: float) -> None:
        """The next slot, whose errors are multiplied by `weight`."""
        self.ids = factors.sample_id
        self.activations.append(factors.activations)
        self.errors.append(weight * factors.errors)


@dataclass
class Projected:
    """One slot of a side, for intervals.

    r bounds the norm of a sample's residual from above: so the products of the errors hold the
    radii, and with those of the projections the centres.
    """

    errors: Tensor  # float32 [n, classes], times r
    projections: Tensor  # float32 [n, RANK], divided by r
    size: Tensor  # float32 [n], |activation||error| and a little more


class Bound:
    """Intervals for the influences of a tile. Slots are added one by one, as they are read."""

    def __init__(self, depth: int, classes: int) -> None:
        # A float32 sum of so many terms was never off by more than a hundredth of this.
        self.rounding = 4 * depth * UNIT
        # Below float32's range nothing is relative: squared, this makes up for products down there.
        self.tiny = math.sqrt(SCALES * classes * SMALLEST / self.rounding)
        self.slots: list[tuple[Projected, Projected]] = []

    @staticmethod
    def worthwhile(test: Factors, train: Factors, k: int) -> bool:
        """Whether intervals cost little beside the wide product."""
        (tests, depth), (trains, classes) = test.activations.shape, train.errors.shape
        cheap = 8 * (RANK + 2 * classes) <= depth
        large = RANK * (1 / tests + 1 / trains) <= 0.04
        return cheap and large and 4 * k <= trains

    def add(self, test: Side, train: Side) -> None:
        """Take in the last slot of both sides."""
        sides = [(side.activations[-1], side.errors[-1]) for side in (test, train)]
        basis = _basis(*(activations for activations, _ in sides))
        first, second = (self._project(*side, basis) for side in sides)
        self.slots.append((first, second))

    def finite(self) -> bool:
        """Whether no product of the tile can overflow, not even of the largest of each slot."""
        largest = [test.size.amax() * train.size.amax() for test, train in self.slots]
        return math.isfinite(float(sum(largest)))

    def _project(self, activations: Tensor, errors: Tensor, basis: Tensor) -> Projected:
        samples = len(activations)
        projected, norm = torch.empty(samples, RANK), torch.empty(samples)
        for start in range(0, samples, ROWS):
            part = slice(start, start + ROWS)
            torch.mm(activations[part], basis, out=projected[part])
            torch.linalg.vector_norm(activations[part], dim=1, out=norm[part])
        left = (norm.square() - projected.square().sum(dim=1)).clamp_min(0)
        rest = (left + self.rounding * norm.square()).sqrt()[:, None]
        size = norm * (errors.norm(dim=1) + self.tiny)
        return Projected(errors * rest, projected / torch.where(rest > 0, rest, 1.0), size)

    def intervals(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Centres, lower and upper ends of intervals around the influences as they are computed.

        Each is [rows, n_train].
        """
        sizes = torch.stack([train.size for _, train in self.slots])
        own = self.rounding * torch.stack([test.size[rows] for test, _ in self.slots], dim=1)
        tests = [(test.errors[rows], test.projections[rows]) for test, _ in self.slots]
        centre, below, above = torch.empty(3, len(rows), sizes.shape[1])
        for start in range(0, sizes.shape[1], COLUMNS):
            part = slice(start, start + COLUMNS)
            middle, radius = centre[:, part].zero_(), own @ sizes[:, part]
            for (errors, projected), (_, train) in zip(tests, self.slots, strict=True):
                product = errors @ train.errors[part].T
                middle.addcmul_(product, projected @ train.projections[part].T)
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
