"""Atomic writing of result files."""

from __future__ import annotations

import csv
import glob
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

# Cells that start like this are formulas for some spreadsheet; the apostrophe is there so that
# a cell which starts with one of its own is told apart from a guarded one.
GUARDED = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "'")


def _default_mode() -> int:
    """Return the permissions an ordinary new file would get."""
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


@contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """Yield a path in a temporary folder beside `target`, and clear what killed writers left."""
    target.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".tmp-{target.name}-"
    for left in target.parent.glob(f"{glob.escape(prefix)}*"):
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=target.parent) as folder:
        yield Path(folder) / target.name


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path that replaces `path` once the block succeeds.

    It lies in a folder of its own in the folder of `path` (made when missing), where writers may
    keep temporary files too, and is removed when the block raises.

    Raises:
        OSError: The folder cannot be made or written to, or the block wrote no file.
    """
    with _beside(Path(path)) as temporary:
        yield temporary
        # Some writers make private files; results are for others to read too.
        temporary.chmod(_default_mode())
        with temporary.open("rb") as file:
            # After a power cut the new name must not stand for an empty file.
            os.fsync(file.fileno())
        os.replace(temporary, path)


def write_json(data: Any, path: Path | str) -> None:
    """Write `data` as indented UTF-8 JSON, atomically.

    Raises:
        TypeError: `data` holds something JSON cannot express.
        ValueError: `data` holds NaN or an infinity.
    """
    text = json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False)
    with atomic_path(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def write_parquet(frame: pd.DataFrame, path: Path | str) -> None:
    """Write a frame of shape [rows, columns] as Parquet without its index, atomically.

    Raises:
        OSError: The folder cannot be written to.
    """
    with atomic_path(path) as temporary:
        frame.to_parquet(temporary, index=False)


def write_text(text: str, path: Path | str) -> None:
    """Write UTF-8 text, atomically.

    Raises:
        OSError: The folder cannot be written to.
    """
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def guard(text: str) -> str:
    """The CSV cell for a text: an apostrophe goes before what a spreadsheet might run.

    See https://owasp.org/www-community/attacks/CSV_Injection.
    """
    return f"'{text}" if text.startswith(GUARDED) else text


def unguard(cell: str) -> str:
    """The text of a CSV cell; `unguard(guard(text)) == text` for every text."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(GUARDED) else cell


def write_csv(frame: pd.DataFrame, path: Path | str) -> None:
    """Write a frame [rows, columns] as UTF-8 CSV, its texts quoted and guarded, atomically.

    Raises:
        OSError: The folder cannot be written to.
    """
    guarded = frame.map(lambda value: guard(value) if isinstance(value, str) else value)
    with atomic_path(path) as temporary:
        guarded.to_csv(
            temporary,
            index=False,
            encoding="utf-8",
            quoting=csv.QUOTE_NONNUMERIC,
            lineterminator="\r\n",
        )


def write_tables(frame: pd.DataFrame, parquet: Path | str, text: Path | str) -> None:
    """Write the same frame as Parquet and as CSV."""
    write_parquet(frame, parquet)
    write_csv(frame, text)


@contextmanager
def atomic_folder(path: Path | str) -> Iterator[Path]:
    """Yield a new folder that replaces the folder `path` once the block succeeds.

    Raises:
        OSError: The parent folder cannot be written to.
    """
    target = Path(path)
    with _beside(target) as temporary:
        temporary.mkdir()
        yield temporary
        if target.exists():
            shutil.rmtree(target)
        os.replace(temporary, target)
