"""Tables of the strongest influences: merged, as arrays, with classes.

They are read and written by jobs of seconds, which torch's import would double: none of it is here.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from tracin.errors import UserError

KINDS = ("proponent", "opponent")


def merge_topk(tables: Iterable[pd.DataFrame], k: int) -> pd.DataFrame:
    """Merge the tables of the tiles of one block of test samples: same columns, k of each kind.

    Exact: a training sample among the k best of all is among the k best of its own tile, and of
    any tiles together. So the tables are taken one by one, and memory doesn't grow with them.

    Raises:
        UserError: a pair of samples stands in two tables.
    """
    merged: list[pd.DataFrame] = []
    for table in tables:
        merged = [_merged([*merged, table], k)]
    return merged[0]


def _merged(tables: list[pd.DataFrame], k: int) -> pd.DataFrame:
    joined = pd.concat(tables, ignore_index=True)
    pair = ["test_id", "kind", "train_id"]
    if _share_samples(tables) and joined.duplicated(pair).any():
        raise UserError("Two tiles hold the same pair of samples. Run again with --forcerun tile.")
    opposes = (joined["kind"] == "opponent").to_numpy()
    influence, train_id = joined["influence"].to_numpy(), joined["train_id"].to_numpy()
    lists = len(KINDS) * joined["test_id"].to_numpy(np.int64) + opposes
    order = _order(lists, np.where(opposes, influence, -influence), train_id)
    begins = np.flatnonzero(np.diff(lists[order], prepend=-1))
    place = np.arange(len(order)) - np.repeat(begins, np.diff(begins, append=len(order)))
    kept = place < k
    merged = joined.take(order[kept]).reset_index(drop=True)
    merged["kind"] = merged["kind"].astype(pd.CategoricalDtype(list(KINDS)))
    return merged.assign(rank=(place[kept] + 1).astype(np.int32))


def _order(lists: np.ndarray, strength: np.ndarray, train_id: np.ndarray) -> np.ndarray:
    """Positions [n] by list, then rising strength (float32), then training sample.

    Both tables are in this order, so one key of list and strength is merged and not sorted, in a
    fiftieth of the time that several keys take. Of equal ones the training samples decide.
    """
    bits = strength.astype(np.float32).view(np.int32).astype(np.int64)
    # The bits of floats order like the numbers, but for those below zero the other way round.
    key = (lists << 32) + np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)
    order = np.argsort(key, kind="stable")
    same = np.diff(key[order]) == 0
    tied = np.flatnonzero(np.append(same, False) | np.append(False, same))
    rows = order[tied]
    order[tied] = rows[np.lexsort((train_id[rows], key[rows]))]
    return order


def _share_samples(tables: list[pd.DataFrame]) -> bool:
    """Whether two tables list the same training sample: tiles of one block don't."""
    listed = [np.unique(table["train_id"]) for table in tables]
    return len(np.unique(np.concatenate(listed))) < sum(map(len, listed))


def as_arrays(topk: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Scores float32 and training ids int64, each [n_test, 2k], test samples in order of id.

    The first k columns are proponents, largest first; the others opponents, most negative first.
    """
    ordered = _ordered(topk)
    tests = ordered["test_id"].nunique()
    scores = ordered["influence"].to_numpy(np.float32).reshape(tests, -1)
    return scores, ordered["train_id"].to_numpy(np.int64).reshape(tests, -1)


def with_classes(topk: pd.DataFrame, predictions: pd.DataFrame, classes: list[str]) -> pd.DataFrame:
    """The table with the classes of its samples, and whether a row is of the lists by class.

    Adds test_label, test_predicted, train_label (names), and of_class: a proponent of the test
    sample's own class, or an opponent of the class that was predicted for it.
    """
    facts = predictions.set_index("sample_id")
    found = {
        "test_label": facts["label_index"].loc[topk["test_id"]].to_numpy(),
        "test_predicted": facts["predicted_index"].loc[topk["test_id"]].to_numpy(),
        "train_label": facts["label_index"].loc[topk["train_id"]].to_numpy(),
    }
    proponent = (topk["kind"] == "proponent").to_numpy()
    wanted = np.where(proponent, found["test_label"], found["test_predicted"])
    names = pd.Index(classes)
    named = {
        name: pd.Categorical.from_codes(codes.astype(int), names) for name, codes in found.items()
    }
    return topk.assign(**named, of_class=found["train_label"] == wanted)


def _ordered(topk: pd.DataFrame) -> pd.DataFrame:
    return topk.sort_values(["test_id", "kind", "rank"], ignore_index=True)
