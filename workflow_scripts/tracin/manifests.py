"""Listing of the images of a data set that is a table: one row per image, CSV or Parquet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath
from posixpath import normpath

import pandas as pd
from pyarrow import ArrowInvalid, parquet

from tracin.cells import read_rows, read_text
from tracin.errors import Fault, UserError, refuse

SPLITS = ("train", "val", "test")
DELIMITERS = (",", ";", "\t")


def list_manifest(file: Path | str, label_column: str) -> pd.DataFrame:
    """List the images that a CSV or Parquet table names.

    Args:
        file: Table with `path`, `label_column` and optionally `split`, `true_label`. In CSV the
            cells are separated by commas, semicolons or tabs.
        label_column: Column read as `label`.

    Returns:
        A frame [rows, 4] of text: path, label, split, true_label (null where absent).

    Raises:
        UserError: `file` does not exist, columns are missing, or rows hold empty, repeated or bad
            values; every fault is named with its line (Parquet: its row, from 1).
    """
    file = Path(file)
    table = _read_table(file, label_column)
    missing = [name for name in ("path", label_column) if name not in table.columns]
    if missing:
        raise UserError(
            f"{file}: the columns {missing} are missing; it has {list(table.columns)}. "
            "Add them, or set dataset.label_column to the column with the labels."
        )
    frame = pd.DataFrame({"path": table["path"], "label": table[label_column]})
    for name in ("split", "true_label"):
        absent = pd.Series(pd.NA, index=table.index, dtype="string")
        frame[name] = table[name] if name in table.columns else absent
    if frame.empty:
        raise UserError(f"{file}: the table has no rows. Add one row per image.")
    refuse(f"{file} can't be used; nothing was read.", _faults(frame))
    frame["path"] = frame["path"].map(normpath).astype("string")
    return frame.reset_index(drop=True)


def _read_table(file: Path, label_column: str) -> pd.DataFrame:
    """A table with every value as text or null, its index the line or row of the file."""
    if not file.is_file():
        raise UserError(
            f"The manifest {file} does not exist. Set dataset.path to a CSV or Parquet file."
        )
    if file.suffix.lower() == ".csv":
        return _read_csv(file, label_column)
    if file.suffix.lower() != ".parquet":
        raise UserError(
            f"The manifest {file} is neither .csv nor .parquet. Convert it to one of them."
        )
    return _read_parquet(file, label_column)


def _read_parquet(file: Path, label_column: str) -> pd.DataFrame:
    try:
        names = parquet.read_schema(file).names
        # The others may be large, or no text at all: many data sets hold the images themselves.
        wanted = [name for name in names if name in ("path", label_column, "split", "true_label")]
        # As they are in the file: what pandas wrote as an index is a column like any other.
        table = parquet.read_table(file, columns=wanted).to_pandas(
            ignore_metadata=True, integer_object_nulls=True
        )
        table = table.astype("string").replace("", pd.NA)
    except (ArrowInvalid, OSError, UnicodeError) as error:
        raise UserError(
            f"The manifest {file} is no readable Parquet file: {error}. Write it again."
        ) from error
    table.index = pd.Index([f"row {number}" for number in range(1, len(table) + 1)])
    return table.reindex(columns=names)


def _read_csv(file: Path, label_column: str) -> pd.DataFrame:
    text = read_text(file)
    # The right separator is the one that finds the columns; if none does, the most cells.
    headers = {
        mark: next(csv.reader(io.StringIO(text, newline=""), delimiter=mark), [])
        for mark in DELIMITERS
    }
    delimiter = max(
        DELIMITERS,
        key=lambda mark: ({"path", label_column} <= set(headers[mark]), len(headers[mark])),
    )
    rows = list(read_rows(text, file, delimiter))
    header = rows.pop(0)[1] if rows else []
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        raise UserError(f"{file}, line 1: several columns are named {repeated}. Keep one.")
    refuse(
        f"{file} can't be used; nothing was read.",
        (
            Fault(line, f"{len(cells)} cells instead of {len(header)}; check quotes and separators")
            for line, cells in rows
            if len(cells) != len(header)
        ),
    )
    # "NA" and "None" are possible class names; only an empty cell means nothing.
    values = [[cell or None for cell in cells] for _, cells in rows]
    lines = pd.Index([line for line, _ in rows], dtype=object)
    return pd.DataFrame(values, columns=header, index=lines, dtype="string")


def _leaves_root(path: str) -> bool:
    """Tell whether a path is absolute or climbs out of the manifest's folder."""
    if path[0] not in "/\\" and ":" not in path and ".." not in path:
        return False
    windows = PureWindowsPath(path)
    return path.startswith("/") or bool(windows.anchor) or ".." in windows.parts


def _faults(frame: pd.DataFrame) -> Iterator[Fault]:
    """Empty paths and labels, paths outside the folder or given twice, and unknown splits."""
    first: dict[str, int | str] = {}
    for where, path, label, split in zip(
        frame.index, *(frame[name].fillna("") for name in ("path", "label", "split")), strict=True
    ):
        if not label.strip():
            yield Fault(where, "the label is empty; fill it in or remove the row")
        if split and split not in SPLITS:
            yield Fault(where, f"the split {split!r} is unknown; use train, val or test")
        if not path.strip():
            yield Fault(where, "the path is empty; fill it in or remove the row")
        elif _leaves_root(path):
            yield Fault(
                where,
                f"the path {path!r} is absolute or has '..' in it; write it relative to the "
                "manifest's folder",
            )
        else:
            earlier = first.setdefault(normpath(path), where)
            if earlier != where:
                place = f"line {earlier}" if isinstance(earlier, int) else earlier
                yield Fault(where, f"the path {path!r} stands in {place} already; list it once")
