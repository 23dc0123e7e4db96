"""Exact top-k of a tile: pruned where bounds rule most pairs out, plain elsewhere.

Both ways give the same bits: a pair's score is the same product of the same two rows, and only
which rows are multiplied together differs. That a matrix product rounds alike whatever stands
beside a pair is a property of the machine's kernels, and of few columns it often is not true: so
products of several widths are taken both ways first, narrower ones than round alike are filled up,
and everything goes the plain way if none does.
"""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd
import torch
from torch import Tensor

from tracin.arithmetic import side_by_side
from tracin.cosines import UnitLength
from tracin.influence import (
    ROWS,
    Ranked,
    check_finite,
    lists,
    ranked,
    same_samples,
    tile_scores,
    topk_table,
)
from tracin.memory import halving
from tracin.pruning import GROUP, Bound, Side, alike, likely, missing
from tracin.samples import equal_parts
from tracin.shards import Slot, only_rows, samples_of

COLUMNS = 512  # training samples at once, so that a product stays in a CPU's cache
ENOUGH = 16  # rows and columns: a product of few takes another kernel, which rounds otherwise
WIDTHS = (ENOUGH, 64, 256)  # columns that may be enough; half of COLUMNS, at most
PROBES = 4
LIMIT = 0.4  # share of the pairs to multiply, above which bounds don't pay
FIRST = 0.25  # the same of the likely pairs alone, to which as many others come


def tile_table(
    test: Iterable[Slot],
    train: Iterable[Slot],
    k: int,
    device: torch.device,
    cosine: bool = False,
    prune: bool = True,
) -> pd.DataFrame:
    """The table of `influence.topk_table` for a tile, from iterables that can be read again.

    With `cosine`, influences are divided by the roots of both samples' self-influence.

    Dense on a GPU and with sketched layers, with fewer test samples at once where memory runs
    out. On a CPU all slots of the tile are in memory at once, each bounded while the next is read,
    and then `torch.get_num_threads()` threads each multiply on their own.

    Raises:
        UserError: the slots list different samples, or their learning rates differ.
        UserError: a score is NaN or infinite; the pair of samples is named.
    """
    if cosine:
        test, train = UnitLength(test), UnitLength(train)
    tile = None if device.type != "cpu" else _read(test, train, k, prune)
    if tile is None:
        return _dense_table(test, train, k, device)
    return lists(tile.test.ids, tile.ranked())


def _dense_table(
    test: Iterable[Slot], train: Iterable[Slot], k: int, device: torch.device
) -> pd.DataFrame:
    samples = samples_of(test)

    def by(size: int) -> pd.DataFrame:
        tables = []
        for rows in equal_parts(samples, size):
            part = ((only_rows(factors, rows), rate) for factors, rate in test)
            tables.append(topk_table(*tile_scores(part, train, device), k))
        return tables[0] if len(tables) == 1 else pd.concat(tables, ignore_index=True)

    return halving(samples, by)


def _read(test: Iterable[Slot], train: Iterable[Slot], k: int, prune: bool) -> Tile | None:
    """All slots of both sides, bounded while the next are on their way; None for sketches."""
    sides, bound = (Side(), Side()), None
    ids: list[Tensor] = []
    for (a, rate), (b, other) in zip(test, train, strict=True):
        if a.sketches:
            return None
        # A sample may have to leave its own list, so one more place must be sure.
        if not ids and prune and Bound.worthwhile(a, b, k + 1):
            bound = Bound(a.activations.shape[1], a.errors.shape[1])
        ids = same_samples(ids, a, b, rate, other)
        sides[0].add(a, rate)
        sides[1].add(b, 1.0)
        if bound:
            bound.add(*sides)
    return Tile(*sides, k, bound if bound and bound.finite() else None)


def _enough(samples: Tensor, least: int) -> Tensor:
    """So many of them, or more if there are, by repetition."""
    return samples.repeat(-(-least // len(samples)))[: max(least, len(samples))]


def _random_slot(like: Side, samples: int) -> Side:
    """So many samples with one slot of a side's shape."""
    generator = torch.Generator().manual_seed(0)
    shapes = [(samples, like.activations[0].shape[1]), (samples, like.errors[0].shape[1])]
    activations, errors = (torch.randn(shape, generator=generator) for shape in shapes)
    return Side(torch.arange(samples), [activations], [errors])


class Tile:
    """The top-k of one block of test against one block of training samples."""

    def __init__(self, test: Side, train: Side, k: int, bound: Bound | None = None) -> None:
        self.test, self.train, self.k, self.bound = test, train, k, bound
        self.sure = k + int(torch.isin(test.ids, train.ids).any())

    def ranked(self) -> list[Ranked]:
        """For each kind, influences and training ids [n_test, min(k, n_train)]."""
        rows = torch.arange(len(self.test)).split(GROUP)
        groups = alike(self.test) if self.bound else list(rows)
        threads = torch.get_num_threads()
        # Near groups want the same training samples: the threads share them in a cache.
        spans = [groups[i::threads] for i in range(threads)]
        work = side_by_side(spans, self._span, threads)
        found = [part for span in work for part in span]
        order = torch.cat([rows for rows, _ in found]).argsort()
        return [
            (
                torch.cat([both[kind][0] for _, both in found])[order],
                torch.cat([both[kind][1] for _, both in found])[order],
            )
            for kind in range(2)
        ]

    def _span(self, groups: list[Tensor]) -> list[tuple[Tensor, list[Ranked]]]:
        """The lists of groups of rows, pruned as long as that pays and rounds alike."""
        bound = self.bound
        work, shares, least = Workspace(), list[float](), None
        found: list[tuple[Tensor, list[Ranked]]] = []
        while groups and bound:
            rows, *groups = groups
            centre, low, high = bound.intervals(rows)
            seen = likely(centre, self.sure)
            if not shares and seen.float().mean() <= FIRST:
                least = self._least([rows, *groups], work)
            if least is None:
                groups = [rows, *groups]
                break
            scores, columns = self._pruned(rows, low, high, seen, work, least)
            found.append((rows, self._rank(scores, rows, columns)))
            shares.append(len(columns) / len(self.train))
            if sum(shares) > LIMIT * max(len(shares), PROBES):
                bound = None
        everything = torch.arange(len(self.train))
        left = torch.cat(groups) if groups else everything[:0]
        for part in equal_parts(len(left), ROWS):
            scores = self.scores(left[part], None, work)
            found.append((left[part], self._rank(scores, left[part], everything)))
        return found

    def _pruned(
        self, rows: Tensor, low: Tensor, high: Tensor, seen: Tensor, work: Workspace, least: int
    ) -> tuple[Tensor, Tensor]:
        """Influences [rows, m] of the training samples that may be in a list; their columns [m].

        `seen` are likely ones; intervals reach from `low` to `high`. The columns are ascending, so
        that ties stay in order.
        """
        columns = seen.nonzero().flatten()
        scores = self.scores(rows, columns, work, least)
        more = missing(low, high, seen, scores, self.sure).nonzero().flatten()
        if not len(more):
            return scores, columns
        columns, order = torch.cat([columns, more]).sort()
        return torch.cat([scores, self.scores(rows, more, work, least)], dim=1)[:, order], columns

    def _least(self, groups: list[Tensor], work: Workspace) -> int | None:
        """Columns that give a group's products the bits of the plain way's; None: no number does.

        Kernels of few columns sum in another order: in MKL on a Xeon with AVX-512 those of fewer
        than 192, where rows are longer than 1,000. Which kernel multiplies is a matter of shapes,
        so one slot of random numbers tells.
        """
        rows = min(ROWS, sum(len(group) for group in groups))
        columns = torch.arange(min(COLUMNS, len(self.train)))
        one = Tile(_random_slot(self.test, rows), _random_slot(self.train, len(columns)), self.k)
        some = torch.arange(len(groups[0]))
        plain = one.scores(torch.arange(rows), columns, work)[: len(some)].clone()
        for least in WIDTHS:
            tried = [columns[:width] for width in (least, least + 1, 2 * least - 1)]
            if all(torch.equal(one.scores(some, few, work), plain[:, few]) for few in tried):
                return least
        return None

    def _rank(self, scores: Tensor, rows: Tensor, columns: Tensor) -> list[Ranked]:
        test_id, train_id = self.test.ids[rows], self.train.ids[columns]
        check_finite(scores, test_id, train_id)
        return ranked(scores, test_id, train_id, self.k)

    def scores(
        self, rows: Tensor, columns: Tensor | None, work: Workspace, least: int = ENOUGH
    ) -> Tensor:
        """Influences [rows, columns] of training samples, all of them if None, on test samples.

        Products have `least` columns or more.
        """
        width = len(self.train) if columns is None else len(columns)
        if len(rows) < ENOUGH or width < least:
            wanted = torch.arange(width) if columns is None else columns
            filled = _enough(rows, ENOUGH), _enough(wanted, least)
            return self.scores(*filled, work, least)[: len(rows), :width]
        total = torch.zeros(len(rows), width)
        test = [
            (a[rows], e[rows]) for a, e in zip(self.test.activations, self.test.errors, strict=True)
        ]
        for part in equal_parts(width, COLUMNS):
            for (a, e), b, f in zip(test, self.train.activations, self.train.errors, strict=True):
                if columns is None:
                    b, f = b[part], f[part]
                else:
                    b, f = work.rows("train", b, columns[part]), f[columns[part]]
                product = torch.mm(a, b.T, out=work.matrix("wide", len(a), len(b)))
                small = torch.mm(e, f.T, out=work.matrix("narrow", len(a), len(b)))
                # Two roundings: a fused one would depend on where in a vector a pair stands.
                total[:, part].add_(product.mul_(small))
        return total


class Workspace:
    """Memory of one thread, used again: fresh pages cost more than the copies into them."""

    def __init__(self) -> None:
        self._memory: dict[str, Tensor] = {}

    def matrix(self, name: str, rows: int, columns: int) -> Tensor:
        """An uninitialised matrix [rows, columns]."""
        memory = self._memory.get(name)
        if memory is None or len(memory) < rows * columns:
            memory = self._memory[name] = torch.empty(rows * columns)
        return memory[: rows * columns].view(rows, columns)

    def rows(self, name: str, matrix: Tensor, rows: Tensor) -> Tensor:
        """Some rows of a matrix [n, d], copied."""
        out = self.matrix(name, len(rows), matrix.shape[1])
        return torch.index_select(matrix, 0, rows, out=out)
