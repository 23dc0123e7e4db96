"""Listing of the images of a data set."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

import pandas as pd

from tracin.errors import UserError

LOGGER = logging.getLogger(__name__)
SPLITS = ("train", "val", "test")
SHOWN = 5


def _visible(names: list[str]) -> list[str]:
    """Return the names that are not hidden, sorted."""
    return sorted(name for name in names if not name.startswith("."))


def _files_below(folder: Path) -> Iterator[Path]:
    """Yield every visible regular file below `folder`."""
    for parent, folders, names in os.walk(folder):
        folders[:] = _visible(folders)
        for name in _visible(names):
            file = Path(parent) / name
            if file.is_file():
                yield file


def list_folder(root: Path | str) -> pd.DataFrame:
    """List a folder that holds one sub-folder per class.

    Returns:
        A frame [images, 2] with `path` (relative to `root`, with forward slashes)
        and `label` (name of the class folder), sorted by path.

    Raises:
        UserError: `root` is not a folder.
        UserError: No class folder below `root` holds a file.
    """
    root = Path(root)
    if not root.is_dir():
        raise UserError(
            f"The image folder {root} does not exist. Set dataset: path to a folder "
            "with one sub-folder per class."
        )
    entries = [root / name for name in _visible(os.listdir(root))]
    rows = [
        (file.relative_to(root).as_posix(), entry.name)
        for entry in entries
        if entry.is_dir()
        for file in _files_below(entry)
    ]
    stray = [entry.name for entry in entries if not entry.is_dir()]
    if not rows:
        raise UserError(
            f"The image folder {root} holds no image in a class folder ({len(stray)} files lie "
            "directly in it). Put the images of each class into a sub-folder named after it."
        )
    if stray:
        LOGGER.warning("%d files directly in %s have no class and are left out", len(stray), root)
    return pd.DataFrame(sorted(rows), columns=["path", "label"], dtype="string")


def _read_table(file: Path) -> pd.DataFrame:
    """Read a CSV or Parquet table with every value as text or null."""
    if not file.is_file():
        raise UserError(
            f"The manifest {file} does not exist. Set dataset: path to a CSV or Parquet file."
        )
    suffix = file.suffix.lower()
    if suffix == ".parquet":
        return pd.read_parquet(file).astype("string").reset_index(drop=True)
    if suffix == ".csv":
        # "NA" and "None" are possible class names; only an empty cell means nothing.
        # utf-8-sig also reads files that a spreadsheet wrote with a byte-order mark.
        return pd.read_csv(
            file,
            dtype="string",
            keep_default_na=False,
            na_values=[""],
            encoding="utf-8-sig",
            index_col=False,
        )
    raise UserError(f"The manifest {file} is neither .csv nor .parquet. Convert it to one of them.")


def _refuse(file: Path, bad: pd.Series, problem: str, advice: str) -> None:
    """Raise when any row is marked in `bad`, naming the first of them."""
    rows = [int(row) + 1 for row in bad.index[bad.to_numpy(dtype=bool)]]
    if rows:
        more = ", ..." if len(rows) > SHOWN else ""
        named = ", ".join(map(str, rows[:SHOWN])) + more
        raise UserError(
            f"{file}: {problem} in {len(rows)} data rows (counted from 1 below the header): "
            f"{named}. {advice}"
        )


def _leaves_root(path: str) -> bool:
    """Tell whether a path is absolute or climbs out of the manifest's folder."""
    windows = PureWindowsPath(path)
    return path.startswith("/") or bool(windows.anchor) or ".." in windows.parts


def list_manifest(file: Path | str, label_column: str) -> pd.DataFrame:
    """List the images that a CSV or Parquet table names.

    Args:
        file: Table with `path`, `label_column` and optionally `split`, `true_label`.
        label_column: Column read as `label`.

    Returns:
        A frame [rows, 4] of text: path, label, split, true_label (null where absent).

    Raises:
        UserError: `file` does not exist.
        UserError: Columns are missing, or rows hold empty, repeated or bad values.
    """
    file = Path(file)
    table = _read_table(file)
    missing = [name for name in ("path", label_column) if name not in table.columns]
    if missing:
        raise UserError(
            f"{file}: columns {missing} are missing; it has {list(table.columns)}. "
            "Add them, or set dataset: label_column to the column with the labels."
        )
    frame = pd.DataFrame({"path": table["path"], "label": table[label_column]})
    for name in ("split", "true_label"):
        absent = pd.Series(pd.NA, index=table.index, dtype="string")
        frame[name] = table[name] if name in table.columns else absent
    if frame.empty:
        raise UserError(f"{file}: the table has no rows. Add one row per image.")
    _check_rows(file, frame)
    frame["path"] = frame["path"].map(lambda path: PurePosixPath(path).as_posix()).astype("string")
    _refuse(file, frame["path"].duplicated(keep=False), "repeated path", "List each file once.")
    return frame


def _check_rows(file: Path, frame: pd.DataFrame) -> None:
    """Raise for empty paths or labels, paths outside the folder and unknown splits."""
    for name in ("path", "label"):
        empty = frame[name].fillna("").str.strip() == ""
        _refuse(file, empty, f"empty {name}", "Fill them in or remove the rows.")
    outside = frame["path"].map(_leaves_root)
    _refuse(
        file, outside, "absolute path or '..'", "Write paths relative to the manifest's folder."
    )
    unknown = frame["split"].notna() & ~frame["split"].isin(SPLITS)
    _refuse(file, unknown, "unknown split", f"Use one of {', '.join(SPLITS)}.")


def folder_fingerprint(root: Path | str) -> str:
    """Return a SHA-256 (hex) of the names and change times of all folders below `root`.

    It changes when a file or folder below is added, removed or renamed. A missing
    folder gives 'missing'.
    """
    root = Path(root)
    if not root.is_dir():
        return "missing"
    found = []
    for parent, folders, _ in os.walk(root):
        for name in folders:
            folder = Path(parent) / name
            found.append((folder.relative_to(root).as_posix(), folder.stat().st_mtime_ns))
    digest = hashlib.sha256()
    for relative, changed in sorted(found):
        digest.update(os.fsencode(relative) + b"\0" + str(changed).encode() + b"\0")
    return digest.hexdigest()
