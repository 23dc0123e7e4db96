"""Atomic writing of result files."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd


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


def write_csv(frame: pd.DataFrame, path: Path | str) -> None:
    """Write a frame of shape [rows, columns] as UTF-8 CSV without its index, atomically.

    Raises:
        OSError: The folder cannot be written to.
    """
    with atomic_path(path) as temporary:
        frame.to_csv(temporary, index=False, encoding="utf-8")
