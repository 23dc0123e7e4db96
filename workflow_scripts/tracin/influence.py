"""TracIn from gradient factors: tiles, exact top-k, merging, self-influence.

Influence of training sample z on test sample z': sum over checkpoints t of
eta_t grad l(w_t, z) . grad l(w_t, z')  (TracInCP; Pruthi et al. 2020, equation 4). For a linear
layer the dot product is (activation . activation') (error . error'): the ghost product.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from tracin.gradients import Factors

KINDS = ("proponent", "opponent")
Slot = tuple[Factors, float]


def tile_scores(
    test: Iterable[Slot], train: Iterable[Slot], device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    """Influence of every training on every test sample of a tile, summed over the slots.

    Returns:
        scores [n_test, n_train], test ids [n_test], training ids [n_train].

    Raises:
        ValueError: the slots list different samples, or their learning rates differ.
    """
    scores: Tensor | None = None
    ids: tuple[Tensor, Tensor] | None = None
    for (a, rate), (b, other) in zip(test, train, strict=True):
        if rate != other:
            raise ValueError(f"test and training shards differ in learning rate: {rate}, {other}.")
        if ids is None:
            ids = a.sample_id, b.sample_id
        elif not (torch.equal(ids[0], a.sample_id) and torch.equal(ids[1], b.sample_id)):
            raise ValueError("the slots of a tile list different samples: rerun the gradients.")
        product = a.activations.to(device) @ b.activations.to(device).T
        product *= (rate * a.errors.to(device)) @ b.errors.to(device).T
        scores = product if scores is None else scores.add_(product)
    if scores is None or ids is None:
        raise ValueError("a tile needs at least one checkpoint.")
    return scores, ids[0], ids[1]


def largest(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k largest per row in falling order, equal scores by rising column: values, columns.

    Args:
        scores: [n, m]; k may exceed m. Both results are [n, min(k, m)].
    """
    k = min(k, scores.shape[1])
    values, columns = scores.topk(k, dim=1)
    # topk breaks ties as it likes: rows with more candidates than places need the stable sort.
    crowded = (scores >= values[:, -1:]).sum(dim=1) > k
    if crowded.any():
        full = scores[crowded].sort(dim=1, descending=True, stable=True)
        values[crowded], columns[crowded] = full.values[:, :k], full.indices[:, :k]
    columns, by_column = columns.sort(dim=1)
    values = values.gather(1, by_column)
    values, by_value = values.sort(dim=1, descending=True, stable=True)
    return values, columns.gather(1, by_value)


def topk_table(scores: Tensor, test_id: Tensor, train_id: Tensor, k: int) -> pd.DataFrame:
    """The k strongest proponents and opponents of each test sample.

    Columns test_id, kind, rank (from 1), train_id, influence; ties go to the lower train_id.

    Raises:
        FloatingPointError: a score is NaN or infinite; the pair of samples is named.
    """
    if not torch.isfinite(scores).all():
        row, column = torch.nonzero(~torch.isfinite(scores))[0].tolist()
        raise FloatingPointError(
            f"the influence of training sample {int(train_id[column])} on test sample "
            f"{int(test_id[row])} is not finite: their gradients overflow float32."
        )
    ids, frames = train_id.to(scores.device), []
    for kind, sign in zip(KINDS, (1, -1), strict=True):
        values, columns = largest(scores if sign == 1 else -scores, k)
        places = values.shape[1]
        frames.append(
            pd.DataFrame(
                {
                    "test_id": np.repeat(test_id.numpy(), places),
                    "kind": pd.Categorical([kind] * values.numel(), categories=KINDS),
                    "rank": np.tile(np.arange(1, places + 1, dtype=np.int32), len(values)),
                    "train_id": ids[columns].flatten().cpu().numpy(),
                    "influence": (sign * values).flatten().cpu().numpy(),
                }
            )
        )
    return _ordered(pd.concat(frames, ignore_index=True))


def merge_topk(tables: Iterable[pd.DataFrame], k: int) -> pd.DataFrame:
    """Merge the tables of the tiles of one block of test samples: same columns, k of each kind.

    Exact: a training sample among the k best of all is among the k best of its own tile.

    Raises:
        ValueError: a pair of samples stands in two tables.
    """
    joined = pd.concat(list(tables), ignore_index=True)
    if joined.duplicated(["test_id", "kind", "train_id"]).any():
        raise ValueError("two tiles hold the same pair of samples: delete the tiles and rerun.")
    joined["kind"] = joined["kind"].astype(pd.CategoricalDtype(list(KINDS)))
    strength = joined["influence"].where(joined["kind"] == "proponent", -joined["influence"])
    joined = joined.assign(strength=strength).sort_values(
        ["test_id", "kind", "strength", "train_id"], ascending=[True, True, False, True]
    )
    place = joined.groupby(["test_id", "kind"], observed=True).cumcount()
    joined["rank"] = (place + 1).astype(np.int32)
    return joined[joined["rank"] <= k].drop(columns="strength").reset_index(drop=True)


def self_influence(slots: Iterable[Slot]) -> pd.DataFrame:
    """Influence of each training sample on itself, and the same without the activation norm.

    Columns train_id, self_influence = sum_t eta_t |activation|^2 |error|^2, and
    self_influence_error = sum_t eta_t |error|^2.
    """
    total: Tensor | None = None
    ids = torch.empty(0)
    for factors, rate in slots:
        error = rate * factors.errors.square().sum(dim=1)
        part = torch.stack([error * factors.activations.square().sum(dim=1), error], dim=1)
        total = part if total is None else total + part
        ids = factors.sample_id
    if total is None:
        raise ValueError("self-influence needs at least one checkpoint.")
    columns = {"self_influence": total[:, 0].numpy(), "self_influence_error": total[:, 1].numpy()}
    return pd.DataFrame({"train_id": ids.numpy(), **columns})


def as_arrays(topk: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Scores float32 and training ids int64, each [n_test, 2k], test samples in order of id.

    The first k columns are proponents, largest first; the others opponents, most negative first.
    """
    ordered = _ordered(topk)
    tests = ordered["test_id"].nunique()
    scores = ordered["influence"].to_numpy(np.float32).reshape(tests, -1)
    return scores, ordered["train_id"].to_numpy(np.int64).reshape(tests, -1)


def _ordered(topk: pd.DataFrame) -> pd.DataFrame:
    return topk.sort_values(["test_id", "kind", "rank"], ignore_index=True)
