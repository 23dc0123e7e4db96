"""Number formats of a pass over the network, and copies to the device that overlap with it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Literal, TypeVar

import torch
from torch import Tensor

Item = TypeVar("Item")
Result = TypeVar("Result")
Precision = Literal["float32", "tf32", "bfloat16"]


@contextmanager
def matrix_units(precision: Precision, device: torch.device) -> Iterator[None]:
    """Let a GPU multiply float32 matrices in TF32 inside the block, unless `precision` is float32.

    torch allows TF32 for convolutions by default, which keeps 10 bits of each factor.
    """
    if device.type != "cuda":
        yield
        return
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    matmul.allow_tf32 = cudnn.allow_tf32 = precision != "float32"
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before


def autocast(precision: Precision, device: torch.device) -> torch.autocast:
    """Convolutions and matrix products in bfloat16 inside the block, if `precision` says so."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


def send(tensor: Tensor, device: torch.device) -> Tensor:
    """`tensor` on `device`; to a GPU through pinned memory, without waiting for the copy."""
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def ahead(items: Iterable[Item], load: Callable[[Item], Result]) -> Iterator[Result]:
    """`map(load, items)`, where a thread loads the next one while the last one is worked on."""
    with ThreadPoolExecutor(1) as pool:
        waiting = None
        for item in items:
            ready, waiting = waiting, pool.submit(load, item)
            if ready is not None:
                yield ready.result()
        if waiting is not None:
            yield waiting.result()


def side_by_side(
    items: Iterable[Item], work: Callable[[Item], Result], workers: int
) -> Generator[Result]:
    """`map(work, items)` on threads that each compute alone; results keep their order.

    Threads that share the operations of one pass wait for one another at the end of each, and for a
    whole time slice where another process has one of their cores.
    """
    threads = torch.get_num_threads()
    pool = ThreadPoolExecutor(workers, "pass", torch.set_num_threads, (1,))
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)  # MKL has one number for all threads
