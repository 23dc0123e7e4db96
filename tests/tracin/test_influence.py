"""Exact influence: against autograd, against a dense sort, and whatever the blocks."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tracin.checkpoints import Checkpoint, save_checkpoint
from tracin.errors import UserError
from tracin.gradients import Factors, by_slot, extract_factors, read_factors, save_shard
from tracin.images import normalise, read_batch
from tracin.influence import (
    check_finite,
    largest,
    self_influence,
    tile_scores,
    topk_table,
)
from tracin.loss import Loss
from tracin.model import Architecture, build_model, final_linear
from tracin.samples import Samples, block_rows
from tracin.topk import as_arrays, merge_topk

CPU = torch.device("cpu")
LOSS = Loss((0.5, 1.0, 2.0), label_smoothing=0.1)
RATES = (1e-3, 2e-4)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (10, 20, 20, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two checkpoints of a small network with a hidden layer in its head."""
    folder, paths = tmp_path_factory.mktemp("checkpoints"), []
    for slot, rate in enumerate(RATES):
        torch.manual_seed(slot)
        architecture = Architecture("resnet18", classes=3, hidden=(6,), stem="small")
        facts = Checkpoint(architecture, LOSS, 16, slot + 1, rate, rate / 10, 1.0)
        paths.append(folder / f"{slot}.safetensors")
        save_checkpoint(build_model(architecture), facts, paths[-1])
    return paths


TEST = Samples(np.array([1, 4, 8]), np.array([0, 1, 2]))
TRAIN = Samples(np.array([0, 2, 3, 5, 6, 7, 9]), np.array([2, 0, 1, 1, 2, 0, 0]))


def autograd_gradient(path: Path, images: np.ndarray, sample: int, label: int) -> Tensor:
    """The oracle: one backward pass for one image; weight and bias of the final layer."""
    from tracin.checkpoints import load_checkpoint

    model, facts = load_checkpoint(path)
    batch = normalise(read_batch(images, np.array([sample]), facts.input_size))
    facts.loss.per_sample(model(batch), torch.tensor([label])).sum().backward()
    layer = final_linear(model)
    assert layer.weight.grad is not None and layer.bias.grad is not None
    return torch.cat([layer.weight.grad.flatten(), layer.bias.grad])


def factors(
    path: Path, images: np.ndarray, samples: Samples, batch: int = 4
) -> tuple[Factors, float]:
    return extract_factors(path, images, samples, batch, CPU)


def test_ghost_product_equals_autograd(checkpoints: list[Path], images: np.ndarray) -> None:
    test = [factors(path, images, TEST) for path in checkpoints]
    train = [factors(path, images, TRAIN) for path in checkpoints]
    scores, _, _ = tile_scores(test, train, CPU)
    expected = torch.zeros_like(scores)
    for path, rate in zip(checkpoints, RATES, strict=True):
        a = [autograd_gradient(path, images, *p) for p in zip(TEST.ids, TEST.labels, strict=True)]
        b = [autograd_gradient(path, images, *p) for p in zip(TRAIN.ids, TRAIN.labels, strict=True)]
        expected += rate * torch.stack(a) @ torch.stack(b).T
    assert float((scores - expected).abs().max()) <= 1e-5 * float(expected.abs().max())


def test_factors_do_not_depend_on_the_batch_size(
    checkpoints: list[Path], images: np.ndarray
) -> None:
    one, _ = factors(checkpoints[0], images, TRAIN, batch=1)
    all_, _ = factors(checkpoints[0], images, TRAIN, batch=100)
    torch.testing.assert_close(one.activations, all_.activations, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(one.errors, all_.errors, rtol=1e-4, atol=1e-6)


def test_bad_gradient_names_sample_and_checkpoint(tmp_path: Path, images: np.ndarray) -> None:
    architecture = Architecture("resnet18", classes=3, stem="small")
    model = build_model(architecture)
    torch.nn.init.constant_(final_linear(model).weight, 3e38)  # finite, but no logit is
    path = tmp_path / "bad.safetensors"
    save_checkpoint(model, Checkpoint(architecture, LOSS, 16, 1, 0.1, 0.1, 1.0), path)
    with pytest.raises(UserError, match=r"bad\.safetensors.*sample 1 "):
        factors(path, images, TEST)


def integer_factors(rng: np.random.Generator, ids: np.ndarray) -> Factors:
    """Small integers: every product is exact, so ties are real ties."""
    draw = lambda width: torch.from_numpy(rng.integers(-2, 3, (len(ids), width))).float()  # noqa: E731
    return Factors(torch.from_numpy(ids), draw(3), draw(2))


def save_blocks(slots: list[Factors], folder: Path, count: int) -> list[list[Path]]:
    paths = []
    for slot, all_rows in enumerate(slots):
        paths.append([folder / f"{slot}-{block}.safetensors" for block in range(count)])
        size = len(all_rows.sample_id)
        for block, path in enumerate(paths[-1]):
            rows = block_rows(size, block, count)
            part = Factors(
                all_rows.sample_id[rows], all_rows.activations[rows], all_rows.errors[rows]
            )
            save_shard(part, rows, size, RATES[slot], path)
    return paths


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(1, 30),
    m=st.integers(1, 6),
    k=st.integers(1, 40),
    shards=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    tiles=st.tuples(st.integers(1, 4), st.integers(1, 4)),
)
def test_topk_equals_a_dense_sort_for_any_blocks(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    n: int,
    m: int,
    k: int,
    shards: tuple[int, int],
    tiles: tuple[int, int],
) -> None:
    rng, folder = np.random.default_rng(seed), tmp_path_factory.mktemp("shards")
    train_ids = np.sort(rng.choice(100, n, replace=False))
    test_ids = np.arange(200, 200 + m)
    train = [integer_factors(rng, train_ids) for _ in RATES]
    test = [integer_factors(rng, test_ids) for _ in RATES]
    (folder / "a").mkdir()
    (folder / "b").mkdir()
    a, b = save_blocks(test, folder / "a", shards[0]), save_blocks(train, folder / "b", shards[1])
    blocks = []
    for i in range(tiles[0]):
        parts = [
            topk_table(*tile_scores(by_slot(a, i, tiles[0]), by_slot(b, j, tiles[1]), CPU), k)
            for j in range(tiles[1])
            if len(range(*block_rows(m, i, tiles[0]).indices(m)))
            and len(range(*block_rows(n, j, tiles[1]).indices(n)))
        ]
        if parts:
            blocks.append(merge_topk(parts, k))
    scores, indices = as_arrays(pd.concat(blocks, ignore_index=True))
    rated = list(zip(test, RATES, strict=True)), list(zip(train, RATES, strict=True))
    dense = tile_scores(rated[0], rated[1], CPU)[0].numpy()
    for row in range(m):
        for part, sign in ((slice(0, min(k, n)), -1), (slice(min(k, n), None), 1)):
            order = np.lexsort((train_ids, sign * dense[row]))[: min(k, n)]
            np.testing.assert_array_equal(indices[row, part], train_ids[order])
            np.testing.assert_array_equal(scores[row, part], dense[row, order])


def test_sum_over_checkpoints_comes_before_ranking() -> None:
    """The best sum may be second at every checkpoint: merged per-checkpoint lists would lose it."""
    slots = [torch.tensor([[9.0, 8.0, 0.0]]), torch.tensor([[0.0, 8.0, 9.0]])]
    ids, one = torch.tensor([0, 1, 2]), torch.ones(1, 1)
    test = [(Factors(torch.tensor([7]), one, one), 1.0) for _ in slots]
    train = [(Factors(ids, s.T.contiguous(), torch.ones(3, 1)), 1.0) for s in slots]
    table = topk_table(*tile_scores(test, train, CPU), 1)
    assert table["train_id"].tolist()[0] == 1 and table["influence"].tolist()[0] == 16.0


def test_largest_breaks_ties_by_the_lower_column() -> None:
    values, columns = largest(torch.tensor([[1.0, 2.0, 2.0, 2.0, 0.0]]), 2)
    assert columns.tolist() == [[1, 2]] and values.tolist() == [[2.0, 2.0]]
    values, columns = largest(torch.tensor([[1.0, 0.0, -2.0, -2.0, -2.0]]), 2, falling=False)
    assert columns.tolist() == [[2, 3]] and values.tolist() == [[-2.0, -2.0]]


def test_missing_shards_are_refused(tmp_path: Path) -> None:
    slots = [integer_factors(np.random.default_rng(0), np.arange(9)) for _ in RATES]
    paths = save_blocks(slots, tmp_path, 3)
    with pytest.raises(ValueError, match="lack rows 6 to 9"):
        read_factors(paths[0][:2])
    with pytest.raises(ValueError, match="does not continue"):
        read_factors([paths[0][0], paths[0][2]])
    with pytest.raises(ValueError, match="There are 10 tiles for 9 images"):
        read_factors(paths[0], 0, 10)
    loaded, rate = read_factors(paths[1][::-1])
    assert loaded.sample_id.tolist() == list(range(9)) and rate == RATES[1]


def test_self_influence_is_the_diagonal(checkpoints: list[Path], images: np.ndarray) -> None:
    slots = [factors(path, images, TRAIN) for path in checkpoints]
    diagonal = tile_scores(slots, slots, CPU)[0].diagonal().numpy()
    table = self_influence(iter(slots))
    np.testing.assert_allclose(table["self_influence"], diagonal, rtol=1e-4)
    assert table["train_id"].tolist() == TRAIN.ids.tolist()


def test_lists_stand_in_order_of_the_test_ids() -> None:
    scores = torch.tensor([[1.0, -2.0, 1.0], [0.5, 0.5, -0.5]])
    table = topk_table(scores, torch.tensor([9, 4]), torch.tensor([4, 5, 6]), 3)
    assert table["test_id"].tolist() == [4] * 4 + [9] * 6
    assert table["train_id"].tolist() == [5, 6, 6, 5, 4, 6, 5, 5, 4, 6]
    assert table["rank"].tolist() == [1, 2, 1, 2, 1, 2, 3, 1, 2, 3]
    assert table.equals(table.sort_values(["test_id", "kind", "rank"], ignore_index=True))


def test_the_check_of_scores_passes_large_ones_and_names_the_pair_that_is_not_finite() -> None:
    scores, ids = torch.full((2, 3), 3e38), torch.arange(3)
    check_finite(scores, ids[:2], ids)
    scores[1, 2] = float("nan")
    with pytest.raises(UserError, match="training sample 2 on test sample 1 is not finite"):
        check_finite(scores, ids[:2], ids)
