"""The least time in which this machine can pass images, with as many products as layers have."""

from __future__ import annotations

import time
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from tracin.arithmetic import side_by_side
from tracin.checkpoints import load_checkpoint

WIDTHS = (256, 512, 1024)  # of the square matrices; some width between suits the caches best
WORK = 1e11  # operations per thread and attempt
ATTEMPTS = 3


def product_rate(dtype: torch.dtype) -> float:
    """Operations per second of the fastest matrix products, every thread at its own.

    Convolutions are sums of products, too: with as many as they have, no pass has been faster here.
    """
    return max(_rate(dtype, width) for width in WIDTHS for _ in range(ATTEMPTS))


def _rate(dtype: torch.dtype, width: int) -> float:
    times = max(1, round(WORK / (2 * width**3)))

    def multiply(_: int) -> None:
        a, b = (torch.ones(width, width, dtype=dtype) for _ in range(2))
        for _ in range(times):
            a @ b

    threads, start = torch.get_num_threads(), time.perf_counter()
    list(side_by_side(range(threads), multiply, threads))
    return threads * times * 2 * width**3 / (time.perf_counter() - start)


def operations(checkpoint: Path, size: int) -> int:
    """Floating-point operations of one image's forward pass."""
    model, _ = load_checkpoint(checkpoint)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 3, size, size))
    return counter.get_total_flops()
