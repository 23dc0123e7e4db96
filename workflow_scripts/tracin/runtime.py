"""What every job does first: send its output to its log, and pick threads and device."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

    import torch


def start_log(path: str | Path) -> None:
    """Send standard output and standard error of this process, bars and tracebacks, to `path`.

    From here on a job that is told to end (scancel, a time limit) removes what it has half written.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    sys.stdout = sys.stderr = open(path, "w", encoding="utf-8", buffering=1)  # noqa: SIM115
    signal.signal(signal.SIGTERM, _stop)


def _stop(number: int, frame: FrameType | None) -> None:
    """End by an exception, so that context managers clean up."""
    raise SystemExit(f"stopped by signal {number}")


def pick_device(name: str, threads: int) -> torch.device:
    """Set torch's threads and return the device that `name` (auto, cpu, cuda, mps) stands for.

    Of several GPUs it is one that no other job holds, and the process keeps it.

    Raises:
        ValueError: the device was asked for by name and torch can't reach it.
    """
    import torch

    from tracin.devices import claim_device, visible_devices

    torch.set_num_threads(max(1, threads))
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    reachable = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.mps.is_available()}
    if not reachable.get(name, False):
        raise ValueError(
            f"compute.device is {name!r}, but torch {torch.__version__} finds no such device here: "
            "set it to auto or cpu, or install a torch build for this machine."
        )
    if name == "cuda":
        # Same seed, same machine, same results. cuBLAS reads the variable at its first use.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
        names = visible_devices(torch.cuda.device_count())
        index = claim_device(names, Path(tempfile.gettempdir()))
        torch.cuda.set_device(index)
        print(f"computing on GPU {names[index]}: {torch.cuda.get_device_name(index)}")
        return torch.device(name, index)
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    print(f"computing on {name}" + (f", not on the GPU {given} that was given" if given else ""))
    return torch.device(name)
