"""Work that overlaps: loading ahead, passes side by side."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from tracin.arithmetic import ahead, side_by_side
from tracin.inference import forward
from tracin.model import Architecture, build_model

CPU = torch.device("cpu")


@pytest.fixture
def threads() -> Iterator[int]:
    """Three torch threads, whatever this machine has."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield 3
    torch.set_num_threads(before)


def test_ahead_keeps_order_and_raises_what_loading_raises() -> None:
    assert list(ahead(range(5), lambda i: i * i)) == [0, 1, 4, 9, 16]
    assert list(ahead([], str)) == []
    with pytest.raises(ZeroDivisionError):
        list(ahead([1, 0], lambda i: 1 / i))


def test_ahead_loads_as_many_as_it_has_workers() -> None:
    drawn = []

    def items() -> Iterator[int]:
        for item in range(9):
            drawn.append(item)
            yield item

    def load(item: int) -> int:
        time.sleep(0.01 * (item % 3 == 0))
        return item

    loads = ahead(items(), load, workers=3)
    assert next(loads) == 0 and drawn == [0, 1, 2, 3]
    assert list(loads) == list(range(1, 9))


def test_what_is_loaded_for_a_gpu_begins_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that begins on GPU 0 takes memory there."""
    chosen: list[int] = []
    monkeypatch.setattr("torch.cuda.set_device", chosen.append)
    monkeypatch.setattr("torch.cuda.current_device", lambda: 5)
    for device, index in (("cuda:2", 2), ("cuda", 5)):
        loads = ahead(range(3), lambda i: chosen[-1], device=torch.device(device))
        assert list(loads) == [index] * 3
    assert list(ahead([0], lambda i: i, device=CPU)) == [0] and chosen == [2, 5]


def test_side_by_side_keeps_order_on_threads_that_compute_alone(threads: int) -> None:
    def work(item: int) -> tuple[int, int]:
        time.sleep(0.02 * (item % 2 == 0))
        return item, torch.get_num_threads()

    assert list(side_by_side(range(7), work, threads)) == [(item, 1) for item in range(7)]
    assert list(side_by_side([], work, threads)) == []


def test_side_by_side_stops_at_an_error_or_when_it_is_left(threads: int) -> None:
    drawn = []

    def items() -> Iterator[int]:
        for item in (1, 0, *range(2, 100)):
            drawn.append(item)
            yield item

    passes = side_by_side(items(), lambda item: 1 / item, threads)
    assert next(passes) == 1
    assert len(drawn) == threads + 1
    with pytest.raises(ZeroDivisionError):
        next(passes)
    passes = side_by_side(range(1, 100), lambda item: 1 / item, threads)
    assert next(passes) == 1
    passes.close()
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(torch.get_num_threads).result() == threads


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_cores_share_a_batch_and_see_what_one_sees(precision, threads: int) -> None:
    torch.manual_seed(0)
    model = build_model(Architecture("resnet18", classes=3, stem="small"))
    pixels = np.random.default_rng(0).integers(0, 256, (11, 12, 12, 3), dtype=np.uint8)
    ids = np.arange(10, 0, -1)

    def passes() -> tuple[list[slice], torch.Tensor, torch.Tensor]:
        rows, logits, inputs = zip(*forward(model, pixels, ids, 12, 6, CPU, precision), strict=True)
        return list(rows), torch.cat(logits), torch.cat(inputs)

    shared = passes()
    torch.set_num_threads(1)
    alone = passes()
    assert shared[0] == [slice(at, at + 2) for at in range(0, 10, 2)]
    assert alone[0] == [slice(0, 6), slice(6, 10)]
    # Products of more rows add up in another order: a sum may be rounded to the next of eight bits.
    near = 1e-5 if precision == "float32" else 2**-7
    for one, other in zip(shared[1:], alone[1:], strict=True):
        torch.testing.assert_close(one, other, rtol=near, atol=near * float(other.abs().max()))
