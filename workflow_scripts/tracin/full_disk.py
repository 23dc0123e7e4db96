"""A full disk is said where it can be read: the log lies on that disk too."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable
from types import TracebackType

Hook = Callable[[type[BaseException], BaseException, TracebackType | None], object]
# Libraries written in other languages raise errors of their own, with the system's number in words.
WORDS = ("No space left on device", "os error 28", "Disk quota exceeded")
ADVICE = (
    "The disk is full. Make space on the disk that holds results/ and run the same command again: "
    "what was finished stays, and no half-written file is taken for a result."
)


def is_full_disk(error: BaseException | None) -> bool:
    """Whether an error, or what caused it, is about a full disk or a used-up quota."""
    while error is not None:
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            return True
        if any(word in str(error) for word in WORDS):
            return True
        error = error.__cause__ or error.__context__
    return False


def said_on_terminal(hook: Hook) -> Hook:
    """An exception hook that calls `hook`, but says on the terminal that a disk is full."""

    def say(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if is_full_disk(error):
            print(f"Error: {error}\n{ADVICE}", file=sys.__stderr__, flush=True)
        else:
            hook(kind, error, trace)

    return say
