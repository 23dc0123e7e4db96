"""Work in smaller batches where memory runs out."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import TypeVar

import torch

Result = TypeVar("Result")
# What torch and its libraries say; only a GPU's allocator raises an error of its own class.
SIGNS = ("out of memory", "can't allocate memory", "_STATUS_ALLOC_FAILED")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that a device or this process ran out of memory."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in SIGNS)


def halving(size: int, work: Callable[[int], Result]) -> Result:
    """`work(size)`, or the same with half as many images at once until memory suffices.

    Raises:
        RuntimeError: memory runs out with one image.
    """
    while True:
        try:
            return work(size)
        except (RuntimeError, MemoryError) as error:
            if size <= 1 or not is_out_of_memory(error):
                raise
            reason = str(error).partition("\n")[0]
        # Here the error is gone, and with it the frames that held what the failed batch had.
        gc.collect()
        torch.cuda.empty_cache()
        print(f"{size} images at once need too much memory ({reason}): goes on with {size // 2}")
        size //= 2
