"""Exact top-k of a tile: pruned where bounds rule most pairs out, plain elsewhere.

Both ways give the same bits: a pair's score is the same product of the same two rows, and only which
rows are multiplied together differs. That a matrix product rounds alike whatever stands beside a
pair is a property of the machine's kernels, so the first products of each pruned span are taken both
ways, and the span is plain if one bit differs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pandas as pd
import torch
from torch import Tensor

from tracin.influence import (
    ROWS,
    Ranked,
    check_finite,
    inverse_root,
    lists,
    ranked,
    same_samples,
    squared_norm,
    tile_scores,
    topk_table,
)
from tracin.pruning import Bound, Side, alike, worthwhile
from tracin.shards import Slot

COLUMNS = 2048  # training samples at once, so that a product stays in a CPU's cache
PROBES = 4
LIMIT = 0.4  # share of the pairs to multiply, above which bounds don't pay


def tile_table(
    test: Iterable[Slot],
    train: Iterable[Slot],
    k: int,
    device: torch.device,
    cosine: bool = False,
    prune: bool = True,
) -> pd.DataFrame:
    """The table of `influence.topk_table` for a tile, from iterables that can be read again.

    Dense on a GPU and with sketched layers. On a CPU all slots of the tile are in memory at once,
    and `torch.get_num_threads()` threads each multiply on their own.

    Raises:
        ValueError: the slots list different samples, or their learning rates differ.
        FloatingPointError: a score is NaN or infinite; the pair of samples is named.
    """
    if device.type != "cpu" or any(factors.sketches for factors, _ in (next(iter(train)),)):
        return topk_table(*tile_scores(test, train, device, cosine), k)
    tile = Tile(*_sides(test, train, cosine), k)
    return lists(tile.test.ids, tile.ranked(prune))


def _sides(test: Iterable[Slot], train: Iterable[Slot], cosine: bool) -> tuple[Side, Side]:
    """All slots of both sides; the test side's errors hold the learning rates."""
    sides = [Side(torch.empty(0), [], []), Side(torch.empty(0), [], [])]
    norms: list[Tensor] = [torch.zeros(1), torch.zeros(1)]
    ids: list[Tensor] = []
    for (a, rate), (b, other) in zip(test, train, strict=True):
        ids = same_samples(ids, a, b, rate, other)
        for i, (factors, weight) in enumerate(((a, rate), (b, 1.0))):
            sides[i].activations.append(factors.activations)
            sides[i].errors.append(weight * factors.errors)
            norms[i] = norms[i] + squared_norm(factors, rate)
    for side, samples, norm in zip(sides, ids, norms, strict=True):
        side.ids = samples
        if cosine:
            side.errors = [errors * inverse_root(norm)[:, None] for errors in side.errors]
    return sides[0], sides[1]


@contextmanager
def _single_threads() -> Iterator[int]:
    """One thread for each operation inside the block; yields how many there were."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield threads
    finally:
        torch.set_num_threads(threads)


class Tile:
    """The top-k of one block of test against one block of training samples."""

    def __init__(self, test: Side, train: Side, k: int) -> None:
        self.test, self.train, self.k = test, train, k
        # A sample may have to leave its own list, so one more place must be sure.
        self.sure = k + int(torch.isin(test.ids, train.ids).any())

    def ranked(self, prune: bool) -> list[Ranked]:
        """For each kind, influences and training ids [n_test, min(k, n_train)]."""
        bound = None
        if prune and self.sure < len(self.train) and worthwhile(self.test, self.train):
            bound = Bound(self.test, self.train)
        groups = alike(self.test) if bound else list(torch.arange(len(self.test)).split(ROWS))
        with _single_threads() as threads, ThreadPoolExecutor(threads) as pool:
            cuts = [len(groups) * i // threads for i in range(threads + 1)]
            spans = [groups[a:b] for a, b in zip(cuts, cuts[1:], strict=False)]
            parts = [part for span in pool.map(lambda s: self._span(s, bound), spans) for part in span]
        order = torch.cat([rows for rows, _ in parts]).argsort()
        return [
            (
                torch.cat([found[kind][0] for _, found in parts])[order],
                torch.cat([found[kind][1] for _, found in parts])[order],
            )
            for kind in range(2)
        ]

    def _span(
        self, groups: list[Tensor], bound: Bound | None
    ) -> list[tuple[Tensor, list[Ranked]]]:
        """Work on groups of rows in turn, each group's columns a hint for the next one's."""
        found, shares = [], []
        likely: Tensor | None = None
        while groups and bound:
            rows, *groups = groups
            columns = bound.candidates(rows, self.sure, likely)
            scores, likely = self.scores(rows, columns), columns
            if not shares and not torch.equal(scores, self.scores(rows)[:, columns]):
                bound = None
            found.append((rows, self._rank(scores, rows, columns)))
            shares.append(len(columns) / len(self.train))
            if len(shares) >= PROBES and sum(shares) / len(shares) > LIMIT:
                bound = None
        for rows in torch.cat(groups).split(ROWS) if groups else ():
            found.append((rows, self._rank(self.scores(rows), rows, torch.arange(len(self.train)))))
        return found

    def _rank(self, scores: Tensor, rows: Tensor, columns: Tensor) -> list[Ranked]:
        test_id, train_id = self.test.ids[rows], self.train.ids[columns]
        check_finite(scores, test_id, train_id)
        return ranked(scores, test_id, train_id, self.k)

    def scores(self, rows: Tensor, columns: Tensor | None = None) -> Tensor:
        """Influences [rows, columns] of some training samples (None: of all) on some test samples."""
        width = len(self.train) if columns is None else len(columns)
        total = torch.zeros(len(rows), width)
        left = [(a[rows], e[rows]) for a, e in zip(self.test.activations, self.test.errors, strict=True)]
        for start in range(0, width, COLUMNS):
            part = slice(start, start + COLUMNS)
            chosen = part if columns is None else columns[part]
            for (a, e), b, f in zip(left, self.train.activations, self.train.errors, strict=True):
                total[:, part].addcmul_(a @ b[chosen].T, e @ f[chosen].T)
        return total
