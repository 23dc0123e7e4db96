"""The pruned path against the plain one, bit for bit, on factors that invite mistakes."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from tracin import pruning, tiles
from tracin.cosines import UnitLength
from tracin.errors import UserError
from tracin.influence import ROWS, self_influence, tile_scores, topk_table
from tracin.pruning import Bound, Side
from tracin.shards import Factors, Sketches, Slot
from tracin.tiles import Tile, tile_table

CPU = torch.device("cpu")
N, M, DEPTH, CLASSES, K = 900, 1100, 512, 4, 10
RATES = (1e-3, 2e-4)
Draw = Callable[[torch.Generator, int], tuple[Tensor, Tensor]]


def trained(generator: torch.Generator, n: int) -> tuple[Tensor, Tensor]:
    """Like a trained network: activations near few directions, most errors tiny."""
    directions = torch.rand(CLASSES, DEPTH, generator=torch.Generator().manual_seed(9))
    label = torch.randint(CLASSES, (n,), generator=generator)
    activations = directions[label] + 0.05 * torch.rand(n, DEPTH, generator=generator)
    logits = 5 * torch.nn.functional.one_hot(label, CLASSES) + 2 * torch.randn(
        n, CLASSES, generator=generator
    )
    return activations, logits.softmax(dim=1) - torch.nn.functional.one_hot(label, CLASSES)


def many_directions(generator: torch.Generator, n: int) -> tuple[Tensor, Tensor]:
    """Residuals of two samples are equal or at right angles: the bound is reached."""
    activations = torch.eye(DEPTH)[torch.randint(64, (n,), generator=generator)]
    return activations, torch.randn(n, CLASSES, generator=generator)


def all_equal(generator: torch.Generator, n: int) -> tuple[Tensor, Tensor]:
    return torch.ones(n, DEPTH), torch.ones(n, CLASSES) - 0.5


def zero_errors(generator: torch.Generator, n: int) -> tuple[Tensor, Tensor]:
    return trained(generator, n)[0], torch.zeros(n, CLASSES)


def mostly_zero(generator: torch.Generator, n: int) -> tuple[Tensor, Tensor]:
    activations, errors = trained(generator, n)
    errors[5:] = 0
    return activations, errors


def some_zero(generator: torch.Generator, n: int) -> tuple[Tensor, Tensor]:
    """All training samples tie for some test samples, in groups with others."""
    activations, errors = trained(generator, n)
    errors[::30] = 0
    return activations, errors


def one_giant(generator: torch.Generator, n: int) -> tuple[Tensor, Tensor]:
    activations, errors = trained(generator, n)
    activations[n // 2] *= 1e6
    errors[n // 2] *= 1e3
    return activations, errors


def some_blank(generator: torch.Generator, n: int) -> tuple[Tensor, Tensor]:
    """No activation at all: nothing to divide by."""
    activations, errors = trained(generator, n)
    activations[::7] = 0
    return activations, errors


def tiny_errors(generator: torch.Generator, n: int) -> tuple[Tensor, Tensor]:
    """Their squares, or products, are below what float32 can hold."""
    activations, errors = trained(generator, n)
    return activations, errors * 10.0 ** torch.randint(-24, -10, (n, 1), generator=generator)


def nearly_cancelled(generator: torch.Generator, n: int) -> tuple[Tensor, Tensor]:
    """Tiny errors whose product is the small difference of two large ones."""
    activations, errors = trained(generator, n)
    sign = torch.tensor([1.0, -1.0 if n == N else 1.0 + 1e-7])
    errors[:, :2] = sign * (1e-25 if n == N else 1.0) * torch.randn(n, 1, generator=generator)
    errors[:, 2:] = 0
    return activations, errors


def negative(generator: torch.Generator, n: int) -> tuple[Tensor, Tensor]:
    activations, errors = trained(generator, n)
    return torch.randn(n, DEPTH, generator=generator) - activations, errors


def noise(generator: torch.Generator, n: int) -> tuple[Tensor, Tensor]:
    """Nothing to prune by: falls back."""
    return torch.randn(n, DEPTH, generator=generator), torch.randn(n, CLASSES, generator=generator)


def duplicates(generator: torch.Generator, n: int) -> tuple[Tensor, Tensor]:
    """Each row many times: ties everywhere."""
    activations, errors = trained(generator, n // 20 + 1)
    return activations.repeat(20, 1)[:n].clone(), errors.repeat(20, 1)[:n].clone()


CASES: list[Draw] = [
    trained, many_directions, all_equal, zero_errors, mostly_zero, some_zero, one_giant, some_blank,
    tiny_errors, nearly_cancelled, negative, noise, duplicates,
]  # fmt: skip


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prune tiles that are really too small for it."""
    monkeypatch.setattr(pruning, "RANK", 8)
    monkeypatch.setattr(tiles, "COLUMNS", 256)
    monkeypatch.setattr(pruning, "COLUMNS", 300)


def slots(draw: Draw, n: int, first_id: int) -> list[Slot]:
    generator = torch.Generator().manual_seed(first_id)
    ids = torch.arange(first_id, first_id + n)
    return [(Factors(ids, *draw(generator, n)), rate) for rate in RATES]


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

    def count(self: Tile, rows: Tensor, columns: Tensor | None, work: tiles.Workspace) -> Tensor:
        nonlocal pairs
        found = scores(self, rows, columns, work)
        pairs += found.numel()
        return found

    with monkeypatch.context() as patch:
        patch.setattr(Tile, "scores", count)
        tile_table(slots(draw, N, 5000), slots(draw, M, 0), K, CPU)
    return pairs


def test_pruning_prunes_a_trained_network_and_gives_up_on_noise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    probes = ROWS * tiles.COLUMNS * torch.get_num_threads()
    assert counted(monkeypatch, trained) - probes < 0.4 * N * M
    assert 0 <= counted(monkeypatch, noise) - N * M <= probes


def test_a_machine_that_rounds_otherwise_is_served_the_plain_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    test, train = slots(trained, N, 5000), slots(trained, M, 0)
    plain = tile_table(test, train, K, CPU, prune=False)
    scores = Tile.scores

    def rounded(self: Tile, rows: Tensor, columns: Tensor | None, work: tiles.Workspace) -> Tensor:
        found = scores(self, rows, columns, work)
        return found if columns is None or len(rows) > pruning.GROUP else found * 1.000001

    monkeypatch.setattr(Tile, "scores", rounded)
    pruned = tile_table(test, train, K, CPU)
    pd.testing.assert_frame_equal(pruned, plain, check_exact=True)


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
