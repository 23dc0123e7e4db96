"""Which samples a stage works on, in which order, and cut into which blocks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tracin.errors import UserError


@dataclass(frozen=True)
class Samples:
    """Sample ids [n], ascending, and their class indices [n] under one label set."""

    ids: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def slice(self, rows: slice | np.ndarray) -> Samples:
        """Some of the rows, by a slice or by bool [n]."""
        return Samples(self.ids[rows], self.labels[rows])


def read_samples(manifest: Path | str, labels: Path | str, split: str | None) -> Samples:
    """The kept samples of a split (None: all samples), in order of their ids.

    Raises:
        UserError: the two files are not about the same samples, or the split is empty.
    """
    facts = pd.read_parquet(manifest, columns=["sample_id", "split"])
    label_set = pd.read_parquet(labels)
    if not np.array_equal(facts["sample_id"], label_set["sample_id"]):
        raise UserError(
            f"{labels} and {manifest} list different samples. Run again with --forcerun manifest."
        )
    chosen = np.ones(len(facts), dtype=bool)
    if split is not None:
        chosen = ((facts["split"] == split) & label_set["keep"]).to_numpy()
    if not chosen.any():
        raise UserError(
            f"{manifest} has no image in the {split} split. Raise dataset.{split}, or add images."
        )
    ids = facts["sample_id"].to_numpy()[chosen]
    return Samples(ids, label_set["label_index"].to_numpy()[chosen].astype(np.int64))


def block_rows(size: int, block: int, blocks: int) -> slice:
    """Rows of block `block` of `blocks` nearly equal ones among `size` rows."""
    return slice(size * block // blocks, size * (block + 1) // blocks)


def equal_parts(size: int, largest: int) -> list[slice]:
    """The fewest nearly equal blocks of at most `largest` rows that hold `size` rows."""
    count = -(-size // largest)
    return [block_rows(size, part, count) for part in range(count)]
