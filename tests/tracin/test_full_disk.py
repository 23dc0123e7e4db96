"""A full disk is recognised, whoever says it, and said on the terminal."""

import errno
import sys

import pytest

from tracin.full_disk import ADVICE, is_full_disk, said_on_terminal


def raised_while_handling(cause: Exception) -> Exception:
    error = RuntimeError("could not write")
    error.__context__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (OSError(errno.ENOSPC, "x"), True),
        (OSError(errno.EDQUOT, "x"), True),
        (RuntimeError("I/O error: No space left on device (os error 28)"), True),
        (raised_while_handling(OSError(errno.ENOSPC, "x")), True),
        (OSError(errno.EROFS, "x"), False),
        (ValueError("x"), False),
    ],
)
def test_only_a_full_disk_is_said_on_the_terminal(
    error: Exception, full: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    seen = []
    monkeypatch.setattr(sys, "__stderr__", sys.stderr)
    said_on_terminal(lambda *given: seen.append(given))(type(error), error, None)
    assert is_full_disk(error) == full
    assert (ADVICE in capsys.readouterr().err) == full
    assert seen == ([] if full else [(type(error), error, None)])
