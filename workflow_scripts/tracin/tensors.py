"""Reading safetensors files that may be damaged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from tracin.errors import UserError


@contextmanager
def readable(path: Path | str) -> Iterator[None]:
    """Say what to do about a file that safetensors can't read inside the block.

    Raises:
        UserError: the file is damaged or was cut short.
    """
    try:
        yield
    except SafetensorError as error:
        raise UserError(
            f"{path} is damaged or was cut short ({error}). Delete it and run again."
        ) from error
