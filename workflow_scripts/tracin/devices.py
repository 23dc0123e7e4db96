"""Which GPU of a machine a job computes on, so that jobs side by side never share one."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock, Timeout

# Locks of this process. The system takes them back when the process ends, however it ends.
_held: list[FileLock] = []


def visible_devices(count: int) -> list[str]:
    """Names of the `count` GPUs that this process can reach, as CUDA_VISIBLE_DEVICES has them."""
    names = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")]
    return names if len(names) == count and all(names) else [str(i) for i in range(count)]


def claim_device(names: Sequence[str], folder: Path, pause: float = 1.0) -> int:
    """Take the first GPU that no other job of this user holds, for as long as the process lives.

    A single name is taken as given: a cluster or the user chose it, and inside a cluster's
    job every GPU may be called 0.

    Args:
        names: the GPUs, as `visible_devices` has them
        folder: where the lock files are, the same for all jobs of the machine
        pause: seconds between two looks at GPUs that are all taken

    Returns:
        The position of the GPU in `names`.
    """
    if len(names) == 1:
        return 0
    said = False
    while True:
        for position, name in enumerate(names):
            lock = FileLock(folder / f"tracin-gpu-{os.getuid()}-{name.replace('/', '-')}.lock")
            try:
                lock.acquire(timeout=0)
            except Timeout:
                continue
            _held.append(lock)
            return position
        if not said:
            print(f"each of the {len(names)} GPUs is taken by another job: waiting for one")
            said = True
        time.sleep(pause)
