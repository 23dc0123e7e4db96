"""What a user is meant to read when something is wrong.

docs/errors.md lists every message: a test compares it with the texts given to these classes and
functions, which are therefore written out where they are raised.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

SHOWN = 20


class UserError(ValueError):
    """Something the user can put right: its message says what is wrong, where, and what to do.

    A job that ends with one writes the message alone to its log; everything else is a bug and
    leaves a traceback.
    """


@dataclass(frozen=True, order=True)
class Fault:
    """One of the things that are wrong with a file or with the settings.

    `where` is the line or row of the file, or the name of the setting.
    """

    where: int | str
    text: str

    def __str__(self) -> str:
        place = f"line {self.where}" if isinstance(self.where, int) else self.where
        return f"{place}: {self.text}"


def refuse(heading: str, faults: Iterable[Fault]) -> None:
    """Raise with a line for each of the first faults, if there is any.

    Raises:
        UserError: there is a fault.
    """
    listed = [f"  {fault}" for fault in faults]
    if listed:
        more = [f"  and {len(listed) - SHOWN} more"] if len(listed) > SHOWN else []
        raise UserError("\n".join([heading, *listed[:SHOWN], *more]))
