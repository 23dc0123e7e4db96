"""Memory maps that stay small: what was read is given back."""

from __future__ import annotations

import mmap

import numpy as np


def let_go(part: np.ndarray) -> None:
    """Take a part of a read-only memory map out of this process's memory; an array stays as it is.

    It stays in the system's cache, from where it comes back when it is read again. Else a process
    would hold every image that it ever read, and each loader of a training all of them once more:
    Snakemake's benchmarks, Slurm's accounting and limits on resident memory count that.
    """
    memory = getattr(part, "_mmap", None)
    if not isinstance(memory, mmap.mmap) or getattr(part, "mode", "") != "r" or not part.size:
        return
    first, last = np.lib.array_utils.byte_bounds(part)
    begin = np.frombuffer(memory, dtype=np.uint8).__array_interface__["data"][0]
    start = (first - begin) // mmap.PAGESIZE * mmap.PAGESIZE
    memory.madvise(mmap.MADV_DONTNEED, start, last - begin - start)
