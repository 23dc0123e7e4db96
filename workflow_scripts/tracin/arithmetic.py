"""Number formats of a pass over the network, and copies to the device that overlap with it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor

Item = TypeVar("Item")
Result = TypeVar("Result")
Precision = Literal["float32", "tf32", "bfloat16"]
PINNED = 1 << 24  # bytes of page-locked memory that a copy to a GPU takes at once
UNDER_WAY = 4  # copies to a GPU that may wait for one another, each with its own such memory


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
    """`tensor` [n, ...] on `device`; to a GPU through pinned memory, without waiting for the copy.

    Rows go a few at a time: to lock fresh memory takes longer than to copy without, and the blocks
    of the first rows serve for the others, whose copies wait until one is free.
    """
    if device.type != "cuda":
        return tensor.to(device)
    if tensor.is_pinned():
        return tensor.to(device, non_blocking=True)
    there = torch.empty_like(tensor, device=device)
    rows = max(1, PINNED * len(tensor) // max(1, tensor.nbytes))
    stream, copies = torch.cuda.current_stream(device), deque[torch.cuda.Event]()
    for source, target in zip(tensor.split(rows), there.split(rows), strict=True):
        if len(copies) == UNDER_WAY:
            copies.popleft().synchronize()
        target.copy_(source.pin_memory(), non_blocking=True)
        copies.append(stream.record_event())
    return there


def ahead(
    items: Iterable[Item],
    load: Callable[[Item], Result],
    workers: int = 1,
    device: torch.device | None = None,
) -> Generator[Result]:
    """`map(load, items)`, where threads load the next `workers` while the last is worked on.

    Args:
        device: where they load to. A thread begins on GPU 0, and would leave half a gigabyte there.
    """
    begin: tuple[Any, ...] = ()
    if device and device.type == "cuda":
        index = torch.cuda.current_device() if device.index is None else device.index
        begin = torch.cuda.set_device, (index,)
    return _in_order(ThreadPoolExecutor(workers, "load", *begin), items, load, workers)


def copied_ahead(
    items: Iterable[Item],
    load: Callable[[Item], tuple[Result, list[Tensor]]],
    device: torch.device,
) -> Iterator[Result]:
    """`map(load, items)` for what is on a GPU: copies to it run beside the work on it.

    Args:
        load: gives a result and its tensors on `device`.
    """
    copies = torch.cuda.Stream(device)

    def queue(item: Item) -> tuple[Result, list[Tensor], torch.cuda.Event]:
        with torch.cuda.stream(copies):
            return *load(item), copies.record_event()

    for result, tensors, done in ahead(items, queue, device=device):
        work = torch.cuda.current_stream(device)
        work.wait_event(done)
        for tensor in tensors:
            # Else its memory would be written to again while `work` still reads it.
            tensor.record_stream(work)
        yield result


def side_by_side(
    items: Iterable[Item], work: Callable[[Item], Result], workers: int
) -> Generator[Result]:
    """`map(work, items)` on threads that each compute alone; results keep their order.

    Threads that share the operations of one pass wait for one another at the end of each, and for a
    whole time slice where another process has one of their cores.
    """
    threads = torch.get_num_threads()
    pool = ThreadPoolExecutor(workers, "pass", torch.set_num_threads, (1,))
    try:
        yield from _in_order(pool, items, work, workers)
    finally:
        torch.set_num_threads(threads)  # MKL has one number for all threads


def _in_order(
    pool: ThreadPoolExecutor, items: Iterable[Item], work: Callable[[Item], Result], most: int
) -> Generator[Result]:
    """`map(work, items)` in the pool, which ends with it; at most `most` are under way or wait."""
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > most:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
