"""The pruned path against the plain one, bit for bit, on factors that invite mistakes."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from tests.tracin.draws import (
    CASES,
    CLASSES,
    CPU,
    DEPTH,
    RATES,
    Draw,
    M,
    N,
    duplicates,
    noise,
    slots,
    trained,
)
from tracin import pruning, tiles
from tracin.arithmetic import side_by_side
from tracin.cosines import UnitLength
from tracin.errors import UserError
from tracin.influence import ROWS, self_influence, tile_scores, topk_table
from tracin.pruning import Bound, Side
from tracin.shards import Factors, Sketches, Slot
from tracin.tiles import Tile, tile_table

K = 10


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prune tiles that are really too small for it."""
    monkeypatch.setattr(pruning, "RANK", 8)
    monkeypatch.setattr(tiles, "COLUMNS", 256)
    monkeypatch.setattr(pruning, "COLUMNS", 300)


@pytest.mark.parametrize("cosine", [False, True], ids=["plain", "cosine"])
@pytest.mark.parametrize("draw", CASES, ids=lambda draw: draw.__name__)
def test_pruned_lists_equal_plain_ones_bit_for_bit(draw: Draw, cosine: bool) -> None:
    test, train = slots(draw, N, 5000), slots(draw, M, 0)
    pruned = tile_table(test, train, K, CPU, cosine)
    plain = tile_table(test, train, K, CPU, cosine, prune=False)
    pd.testing.assert_frame_equal(pruned, plain, check_exact=True)
    both: list[Iterable[Slot]] = [UnitLength(test), UnitLength(train)] if cosine else [test, train]
    dense = topk_table(*tile_scores(both[0], both[1], CPU), K)
    pd.testing.assert_frame_equal(plain.drop(columns="train_id"), dense.drop(columns="train_id"))


@pytest.mark.parametrize("n", [1, 3, 49, 513])
@pytest.mark.parametrize("m", [7, 11, 511, 1021])
def test_equal_scores_go_to_the_lower_id_in_tiles_of_any_size(n: int, m: int) -> None:
    """A product of a few rows or columns rounds otherwise than one of many."""
    generator = torch.Generator().manual_seed(3)
    ones = torch.rand(1, DEPTH, generator=generator).repeat(m, 1)
    same = Factors(torch.arange(m), ones, torch.randn(1, CLASSES, generator=generator).repeat(m, 1))
    tests = Factors(
        torch.arange(5000, 5000 + n),
        torch.rand(n, DEPTH, generator=generator),
        torch.randn(n, CLASSES, generator=generator),
    )
    found = tile_table([(tests, 1.0)], [(same, 1.0)], 5, CPU)
    assert (found["train_id"].to_numpy().reshape(-1, 5) == np.arange(5)).all()


def test_few_columns_that_are_left_round_as_all_do() -> None:
    """Equal training samples at both ends of the lists, and ten others in between."""
    generator = torch.Generator().manual_seed(0)
    common, other = torch.rand(2, DEPTH, generator=generator)
    spread = torch.randn(N, 12, generator=generator) @ torch.randn(12, DEPTH, generator=generator)
    test, test_errors = common + 0.3 * spread, torch.zeros(N, 6)
    test_errors[:850, :4] = 0.05 * torch.randn(850, 4, generator=generator)
    test_errors[:850, 0] += 1
    test[850:], test_errors[850:, 5] = common + other, 1
    train, errors = common.repeat(M, 1), torch.zeros(M, 6)
    errors[:, :4] = 0.5 * torch.randn(M, 4, generator=generator)
    errors[:540, 5], errors[540:1090, 5], errors[1090:, 5] = 1, -1, 0.9
    train[1090:] += other * (1 + torch.rand(10, 1, generator=generator))
    errors[1090:, :4] *= 0.01
    sides = (
        [(Factors(torch.arange(5000, 5000 + N), test, test_errors), 1.0)],
        [(Factors(torch.arange(M), train, errors), 1.0)],
    )
    pruned, plain = (tile_table(*sides, K, CPU, prune=p) for p in (True, False))
    pd.testing.assert_frame_equal(pruned, plain, check_exact=True)


def counted(monkeypatch: pytest.MonkeyPatch, draw: Draw) -> int:
    """Pairs that the pruned path multiplies."""
    pairs = 0
    scores = Tile.scores

    def count(self: Tile, rows: Tensor, *arguments: Any) -> Tensor:
        nonlocal pairs
        found = scores(self, rows, *arguments)
        pairs += found.numel()
        return found

    with monkeypatch.context() as patch:
        patch.setattr(Tile, "scores", count)
        tile_table(slots(draw, N, 5000), slots(draw, M, 0), K, CPU)
    return pairs


def test_pruning_prunes_a_trained_network_and_gives_up_on_noise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    widths = pruning.GROUP * sum(4 * width for width in tiles.WIDTHS)
    probes = (ROWS * tiles.COLUMNS + widths) * torch.get_num_threads()
    assert counted(monkeypatch, trained) - probes < 0.4 * N * M
    assert 0 <= counted(monkeypatch, noise) - N * M <= probes


def test_a_machine_that_rounds_otherwise_is_served_the_plain_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    test, train = slots(trained, N, 5000), slots(trained, M, 0)
    plain = tile_table(test, train, K, CPU, prune=False)
    scores = Tile.scores

    def rounded(self: Tile, rows: Tensor, columns: Tensor | None, *arguments: Any) -> Tensor:
        found = scores(self, rows, columns, *arguments)
        return found if columns is None or len(rows) > pruning.GROUP else found * 1.000001

    monkeypatch.setattr(Tile, "scores", rounded)
    pruned = tile_table(test, train, K, CPU)
    pd.testing.assert_frame_equal(pruned, plain, check_exact=True)


@pytest.mark.parametrize("depth", [DEPTH, 1100])
def test_few_columns_have_the_bits_of_many(depth: int) -> None:
    """MKL's kernels of few columns sum long rows in another order."""
    generator = torch.Generator().manual_seed(0)
    test, train = (
        [
            (
                Factors(
                    ids, torch.rand(len(ids), depth, generator=generator), torch.ones(len(ids), 1)
                ),
                1.0,
            )
        ]
        for ids in (torch.arange(5000, 5600), torch.arange(800))
    )
    tile, work = tiles._read(test, train, K, prune=False), tiles.Workspace()
    assert tile
    rows = torch.arange(600).split(pruning.GROUP)

    def differing(_: None) -> list[int]:
        least = tile._least(list(rows), work)
        plain = tile.scores(torch.arange(ROWS), torch.arange(tiles.COLUMNS), work)[: pruning.GROUP]
        assert least is not None
        widths = {
            width: torch.randperm(tiles.COLUMNS, generator=generator)[:width].sort().values
            for width in (1, 17, 100, 150, 191, 192, 255)
        }
        return [
            width
            for width, columns in widths.items()
            if not torch.equal(tile.scores(rows[0], columns, work, least), plain[:, columns])
        ]

    # On one thread, as tiles are.
    assert list(side_by_side([None], differing, 1)) == [[]]


def test_intervals_hold_every_score() -> None:
    for draw in CASES:
        tile = tiles._read(slots(draw, 400, 5000), slots(draw, 500, 0), K, prune=True)
        assert tile and tile.bound
        scores = tile.scores(torch.arange(400), None, tiles.Workspace())
        _, low, high = tile.bound.intervals(torch.arange(400))
        inside = (low <= scores) & (scores <= high)
        assert inside.all(), draw.__name__


def test_a_slot_is_bounded_before_the_next_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that threads that read ahead do so meanwhile."""
    seen, add = [], Bound.add

    def noted(self: Bound, test: Side, train: Side) -> None:
        seen.append("bounded")
        add(self, test, train)

    def read() -> Iterator[Slot]:
        for slot in slots(trained, N, 5000):
            seen.append("read")
            yield slot

    monkeypatch.setattr(Bound, "add", noted)
    tile_table(read(), slots(trained, M, 0), K, CPU)
    assert seen == ["read", "bounded"] * len(RATES)


def test_overflow_is_found_and_named() -> None:
    test, train = slots(trained, N, 5000), slots(trained, M, 0)
    for factors, _ in train:
        factors.activations[7] = 1e38
        factors.errors[7] = 1e10
    with pytest.raises(UserError, match="training sample 7 on test sample"):
        tile_table(test, train, K, CPU)


@pytest.mark.parametrize("n", [30, M])
def test_a_sample_is_not_its_own_proponent(n: int) -> None:
    both = slots(duplicates, n, 0)
    table = tile_table(both, both, K, CPU)
    assert (table["test_id"] != table["train_id"]).all()
    assert len(table) == 2 * K * n
    everything = tile_table(slots(noise, 5, 0), slots(noise, 5, 0), 9, CPU)
    assert len(everything) == 2 * 5 * 4


@pytest.mark.parametrize("k", [1, 2, 3])
def test_pruned_lists_are_whole_where_samples_leave_their_own(k: int) -> None:
    for seed in range(4):
        factors = Factors(torch.arange(M), *trained(torch.Generator().manual_seed(seed), M))
        both = [(factors, 1e-3)]
        pruned, plain = (tiles._read(both, both, k, prune) for prune in (True, False))
        assert pruned and pruned.bound and plain and not plain.bound
        for one, other in zip(pruned.ranked(), plain.ranked(), strict=True):
            assert torch.equal(one[0], other[0]) and torch.equal(one[1], other[1])


def test_sketched_layers_add_their_part_with_their_own_rate() -> None:
    generator = torch.Generator().manual_seed(0)
    test, train = slots(trained, 6, 100), slots(trained, 8, 0)
    head = tile_scores(test, train, CPU)[0]
    expected = head.clone()
    for t, (a, b) in enumerate(zip(test, train, strict=True)):
        for part, rate in (("head", 0.3), ("backbone", 0.01 * (t + 1))):
            for factors, _ in (a, b):
                values = torch.randn(len(factors.errors), 20, generator=generator)
                factors.sketches[part] = Sketches(values, rate)
            expected += rate * a[0].sketches[part].values @ b[0].sketches[part].values.T
    torch.testing.assert_close(tile_scores(test, train, CPU)[0], expected)
    assert not torch.allclose(expected, head)
    diagonal = tile_scores(train, train, CPU)[0].diagonal()
    table = self_influence(iter(train))
    np.testing.assert_allclose(table["self_influence"], diagonal, rtol=1e-4)
    assert tile_table(test, train, 3, CPU)["influence"].max() == pytest.approx(
        float(expected.max()), rel=1e-5
    )
