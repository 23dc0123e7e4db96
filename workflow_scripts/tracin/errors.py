"""The one kind of error that a user is meant to read."""

from __future__ import annotations


class UserError(ValueError):
    """Something the user can put right: its message says what is wrong, where, and what to do.

    A job that ends with one writes the message alone to its log; everything else is a bug and
    leaves a traceback. docs/errors.md lists every message.
    """
