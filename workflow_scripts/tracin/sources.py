"""Files of a user's data set: their names as text, and reading them without leaving the folder."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import NamedTuple

from tracin.errors import UserError

LARGEST_FILE = 600_000_000
# Bytes that are not UTF-8 are surrogates in Python's names: 0xE9 is "\udce9".
_NOT_TEXT = re.compile(r"[\udc80-\udcff]|\\(?=x(?:5c|[89a-f][0-9a-f]))")
_ESCAPED = re.compile(r"\\x(5c|[89a-f][0-9a-f])")


class Rejected(NamedTuple):
    """A file or folder of the data set that is left out, and why."""

    path: str
    reason: str


def to_text(name: str) -> str:
    r"""A file name as text for tables: a byte that is not UTF-8 is written `\xe9`.

    A backslash before what would read as such a byte is written `\x5c`, so that
    `from_text(to_text(name)) == name` for every name.
    """
    return _NOT_TEXT.sub(
        lambda found: "\\x5c" if found[0] == "\\" else f"\\x{ord(found[0]) - 0xDC00:02x}", name
    )


def from_text(text: str) -> str:
    """The file name that `to_text` wrote as `text`, as Python hands it to the system."""
    return _ESCAPED.sub(
        lambda found: "\\" if found[1] == "5c" else chr(0xDC00 + int(found[1], 16)), text
    )


def inside(path: Path | str, root: Path | str) -> bool:
    """Whether a path that is real (without links) lies below the folder `root`."""
    return Path(path).is_relative_to(os.path.realpath(root))


def read_file(path: Path | str, root: Path | str) -> bytes:
    """The content of a regular file of a data set; links are followed inside its folder alone.

    Never waits: what is no regular file is not opened.

    Raises:
        UserError: The file can't be read, leads out of `root`, or is too large; says why.
    """
    if "\0" in str(path):
        raise UserError("the name holds a NUL character, which no file's has")
    try:
        real = os.path.realpath(path, strict=True)
        if not inside(real, root):
            raise UserError("the link leads out of the data set's folder")
        if not stat.S_ISREG(os.stat(real).st_mode):
            raise UserError("no regular file but a folder, FIFO, socket or device")
        # Should the file become a FIFO or a link meanwhile, opening must not wait or follow it.
        handle = os.open(real, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        with open(handle, "rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except FileNotFoundError as error:
        raise UserError("there is no such file, or it is a link to one that is gone") from error
    except OSError as error:
        raise UserError(f"the file can't be read: {error.strerror}") from error
    if len(content) > LARGEST_FILE:
        raise UserError(f"the file is larger than {LARGEST_FILE:,} bytes")
    return content
