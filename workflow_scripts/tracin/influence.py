"""TracIn from gradients: dense tiles, exact top-k, self-influence.

Influence of training sample z on test sample z': sum over checkpoints t of
eta_t grad l(w_t, z) . grad l(w_t, z')  (TracInCP; Pruthi et al. 2020, equation 4). For a linear
layer the dot product is (activation . activation') (error . error'): the ghost product.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from tracin.errors import UserError
from tracin.samples import equal_parts
from tracin.shards import Factors, on_device
from tracin.shards import Slot as Slot
from tracin.topk import KINDS

ROWS = 512  # test samples at once, so that the products of a tile stay in a CPU's cache
Ranked = tuple[Tensor, Tensor]


def tile_scores(
    test: Iterable[Slot], train: Iterable[Slot], device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    """Influence of every training on every test sample of a tile, summed over the slots.

    Returns:
        scores [n_test, n_train], test ids [n_test], training ids [n_train].

    Raises:
        UserError: the slots list different samples, or their learning rates differ.
    """
    scores = torch.empty(0)
    ids: list[Tensor] = []
    for (a, rate), (b, other) in on_device(test, train, device):
        if not ids:
            scores = torch.zeros(len(a.sample_id), len(b.sample_id), device=device)
        ids = same_samples(ids, a, b, rate, other)
        _add_products(scores, a, b, rate)
    if not ids:
        raise ValueError("a tile needs at least one checkpoint.")
    return scores, ids[0], ids[1]


def same_samples(
    ids: list[Tensor], test: Factors, train: Factors, rate: float, other: float
) -> list[Tensor]:
    """Sample ids of both sides of a slot.

    Raises:
        UserError: they are not those of the slots before, or the learning rates differ.
    """
    if rate != other:
        raise UserError(
            f"Test and training shards differ in learning rate ({rate}, {other}). Run again with "
            "--forcerun gradients."
        )
    found = [test.sample_id, train.sample_id]
    if ids and not all(torch.equal(a, b) for a, b in zip(ids, found, strict=True)):
        raise UserError(
            "The slots of a tile list different samples. Run again with --forcerun gradients."
        )
    return found


def _add_products(scores: Tensor, test: Factors, train: Factors, rate: float) -> None:
    """Add one slot's part to scores [n_test, n_train]."""
    largest = ROWS if scores.device.type == "cpu" else max(len(scores), 1)
    for rows in equal_parts(len(scores), largest):
        product = test.activations[rows] @ train.activations.T
        scores[rows].addcmul_(product, (rate * test.errors[rows]) @ train.errors.T)
    for part, sketches in test.sketches.items():
        other = train.sketches[part].values
        scores.addmm_(sketches.values, other.T, alpha=sketches.learning_rate)


def squared_norm(factors: Factors, rate: float) -> Tensor:
    """One slot's part of the self-influences [n]: eta |gradient|^2, sketched layers included."""
    total = rate * factors.errors.square().sum(dim=1) * factors.activations.square().sum(dim=1)
    for sketches in factors.sketches.values():
        total += sketches.learning_rate * sketches.values.square().sum(dim=1)
    return total


def largest(scores: Tensor, k: int, falling: bool = True) -> tuple[Tensor, Tensor]:
    """The k largest per row in falling order, equal scores by rising column: values, columns.

    The k smallest in rising order if not `falling`.

    Args:
        scores: [n, m]; k may exceed m. Both results are [n, min(k, m)].
    """
    k = min(k, scores.shape[1])
    values, columns = scores.topk(min(k + 1, scores.shape[1]), dim=1, largest=falling)
    # topk breaks ties as it likes: rows where the next value ties need the stable sort.
    crowded = (values[:, k:] == values[:, k - 1 : k]).any(dim=1)
    values, columns = values[:, :k].clone(), columns[:, :k].clone()
    if crowded.any():
        full = scores[crowded].sort(dim=1, descending=falling, stable=True)
        values[crowded], columns[crowded] = full.values[:, :k], full.indices[:, :k]
    columns, by_column = columns.sort(dim=1)
    values = values.gather(1, by_column)
    values, by_value = values.sort(dim=1, descending=falling, stable=True)
    return values, columns.gather(1, by_value)


def topk_table(scores: Tensor, test_id: Tensor, train_id: Tensor, k: int) -> pd.DataFrame:
    """The k strongest proponents and opponents of each test sample.

    Columns test_id, kind, rank (from 1), train_id, influence; ties go to the lower train_id. A
    sample is never listed as its own.

    Raises:
        UserError: a score is NaN or infinite; the pair of samples is named.
    """
    # A GPU still computes the scores: what doesn't depend on them is laid out meanwhile.
    places = _places(test_id, min(k, len(train_id)))
    check_finite(scores, test_id, train_id)
    return _filled(places, test_id, ranked(scores, test_id, train_id, k))


def check_finite(scores: Tensor, test_id: Tensor, train_id: Tensor) -> None:
    """Raise with the pair's names if a score [n_test, n_train] is not finite."""
    # The sum of all shows in one pass that all are finite; it alone may overflow.
    if not torch.isfinite(scores.sum()) and not torch.isfinite(scores).all():
        row, column = torch.nonzero(~torch.isfinite(scores))[0].tolist()
        raise UserError(
            f"The influence of training sample {int(train_id[column])} on test sample "
            f"{int(test_id[row])} is not finite: their gradients overflow float32. "
            "Look at both images, or train with lower learning rates."
        )


def ranked(scores: Tensor, test_id: Tensor, train_id: Tensor, k: int) -> list[Ranked]:
    """For each kind, influences and training ids [n_test, min(k, n_train)] of the strongest.

    The influence of a sample on itself, if ranked at all, stands last and is infinite.
    """
    test_id, train_id = test_id.to(scores.device), train_id.to(scores.device)
    own = test_id[:, None] == train_id if torch.isin(test_id, train_id).any() else None
    found = []
    for falling in (True, False):
        last = float("-inf" if falling else "inf")
        others = scores if own is None else scores.masked_fill(own, last)
        values, columns = largest(others, k, falling)
        found.append((values, train_id[columns]))
    return found


def lists(test_id: Tensor, found: list[Ranked]) -> pd.DataFrame:
    """The table of `topk_table` from what `ranked` found."""
    return _filled(_places(test_id, found[0][0].shape[1]), test_id, found)


def _places(test_id: Tensor, places: int) -> dict[str, Any]:
    """The columns of `topk_table` that say which place of which list a row is."""
    tests, kinds = len(test_id), len(KINDS)
    codes = np.repeat(np.arange(kinds, dtype=np.int8), places)
    return {
        "test_id": np.repeat(np.sort(test_id.numpy()), kinds * places),
        "kind": pd.Categorical.from_codes(np.tile(codes, tests), pd.Index(KINDS)),
        "rank": np.tile(np.arange(1, places + 1, dtype=np.int32), tests * kinds),
    }


def _filled(places: dict[str, Any], test_id: Tensor, found: list[Ranked]) -> pd.DataFrame:
    """The table of `topk_table`: who stands in each of the `places`."""
    order = test_id.argsort()
    influence, train_id = (
        torch.stack(part, dim=1)[order.to(part[0].device)].cpu().numpy().reshape(-1)
        for part in zip(*found, strict=True)
    )  # both [n_test * kinds * places]
    table = pd.DataFrame(places | {"train_id": train_id, "influence": influence}, copy=False)
    finite = np.isfinite(influence)
    return table if finite.all() else table[finite].reset_index(drop=True)


def self_influence(slots: Iterable[Slot]) -> pd.DataFrame:
    """Influence of each training sample on itself, and the same without the activation norm.

    Columns train_id, self_influence = sum_t eta_t |activation|^2 |error|^2 (sketched layers add
    theirs), and self_influence_error = sum_t eta_t |error|^2.
    """
    total: Tensor | None = None
    ids = torch.empty(0)
    for factors, rate in slots:
        error = rate * factors.errors.square().sum(dim=1)
        part = torch.stack([squared_norm(factors, rate), error], dim=1)
        total = part if total is None else total + part
        ids = factors.sample_id
    if total is None:
        raise ValueError("self-influence needs at least one checkpoint.")
    columns = {"self_influence": total[:, 0].numpy(), "self_influence_error": total[:, 1].numpy()}
    return pd.DataFrame({"train_id": ids.numpy(), **columns})
