"""What every job does first: send its output to its log, and pick threads and device."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from tracin.errors import UserError
from tracin.full_disk import said_on_terminal
from tracin.lifetime import clean_up_on_sigterm, end_with_parent

if TYPE_CHECKING:
    import torch


def start_log(path: str | Path) -> None:
    """Send standard output and standard error of this process to `path`, and what ends it, too.

    A `UserError` is written as its message alone, any other exception with its traceback. From here
    on a job that is told to end (scancel, a time limit) removes what it has half written, and the
    process ends when Snakemake is gone.
    """
    end_with_parent()
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    # Names may hold what no encoding has; a log must take them all the same.
    sys.stdout = sys.stderr = open(  # noqa: SIM115
        path, "w", encoding="utf-8", errors="backslashreplace", buffering=1
    )
    sys.excepthook = said_on_terminal(write_error)
    clean_up_on_sigterm()


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

    Of several GPUs it is one that no other job holds, and the process keeps it.

    Raises:
        UserError: the device was asked for by name and torch can't reach it.
    """
    import torch

    from tracin.devices import claim_device, visible_devices

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
        # As use_deterministic_algorithms does, but that loads torch's compiler to tell it, too.
        torch.set_deterministic_debug_mode("warn")
        # Fresh memory is written to before it is read: filling it as well would take as long.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
        names = visible_devices(torch.cuda.device_count())
        index = claim_device(names, Path(tempfile.gettempdir()))
        torch.cuda.set_device(index)
        print(f"computing on GPU {names[index]}: {torch.cuda.get_device_name(index)}")
        return torch.device(name, index)
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    print(f"computing on {name}" + (f", not on the GPU {given} that was given" if given else ""))
    return torch.device(name)
