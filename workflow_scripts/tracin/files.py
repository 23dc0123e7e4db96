"""Atomic writing of result files."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

# A cell that begins so is a formula to a spreadsheet.
FORMULA = ("=", "+", "-", "@", "\t")


def _default_mode() -> int:
    """Return the permissions an ordinary new file would get."""
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path that replaces `path` once the block succeeds.

    The temporary file lies in the folder of `path` (made when missing), keeps
    its suffix and is removed when the block raises.

    Raises:
        OSError: The folder cannot be made or written to.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".tmp-", suffix=target.suffix, dir=target.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp, and some writers, make private files; results are for others to read too.
        temporary.chmod(_default_mode())
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


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


def write_csv(frame: pd.DataFrame, path: Path | str) -> None:
    """Write a frame of shape [rows, columns] as UTF-8 CSV without its index, atomically.

    A text cell that a spreadsheet would run as a formula begins with an apostrophe instead
    (https://owasp.org/www-community/attacks/CSV_Injection).

    Raises:
        OSError: The folder cannot be written to.
    """
    texts = frame.select_dtypes(["object", "string", "category"]).columns
    safe = frame.assign(**{name: frame[name].map(_inert) for name in texts})
    with atomic_path(path) as temporary:
        safe.to_csv(temporary, index=False, encoding="utf-8")


def _inert(cell: Any) -> Any:
    if not isinstance(cell, str):
        return cell
    # A bare carriage return ends the row to a spreadsheet, and to_csv would not quote it.
    visible = cell.replace("\r", "\\r")
    return f"'{visible}" if visible.startswith(FORMULA) else visible


def write_tables(frame: pd.DataFrame, parquet: Path | str, csv: Path | str) -> None:
    """Write the same frame as Parquet and as CSV."""
    write_parquet(frame, parquet)
    write_csv(frame, csv)


@contextmanager
def atomic_folder(path: Path | str) -> Iterator[Path]:
    """Yield a new folder that replaces the folder `path` once the block succeeds.

    Raises:
        OSError: The parent folder cannot be written to.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".tmp-", dir=target.parent) as parent:
        temporary = Path(parent) / target.name
        temporary.mkdir()
        yield temporary
        if target.exists():
            shutil.rmtree(target)
        os.replace(temporary, target)
