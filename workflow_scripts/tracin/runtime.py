"""What every job does first: send its output to its log, and pick threads and device."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from tracin.errors import UserError

if TYPE_CHECKING:
    import torch


def start_log(path: str | Path) -> None:
    """Send standard output and standard error of this process to `path`, and what ends it, too.

    A `UserError` is written as its message alone, any other exception with its traceback.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    # Names may hold what no encoding has; a log must take them all the same.
    sys.stdout = sys.stderr = open(  # noqa: SIM115
        path, "w", encoding="utf-8", errors="backslashreplace", buffering=1
    )
    sys.excepthook = write_error


def write_error(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Write what ended this process to standard error, as `sys.excepthook` does."""
    if isinstance(error, UserError):
        print(f"Error: {error}", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)
        if not isinstance(error, (OSError, MemoryError, KeyboardInterrupt, SystemExit)):
            print(
                "This is a fault of the workflow: please report it with this log.",
                file=sys.stderr,
            )


def pick_device(name: str, threads: int) -> torch.device:
    """Set torch's threads and return the device that `name` (auto, cpu, cuda, mps) stands for.

    Raises:
        UserError: the device was asked for by name and torch can't reach it.
    """
    import torch

    torch.set_num_threads(max(1, threads))
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    reachable = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.mps.is_available()}
    if not reachable.get(name, False):
        raise UserError(
            f"compute.device is {name!r}, but torch {torch.__version__} finds no such device here. "
            "Set it to auto or cpu, or install a torch build for this machine."
        )
    if name == "cuda":
        # Same seed, same machine, same results. cuBLAS reads the variable at its first use.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
    return torch.device(name)
