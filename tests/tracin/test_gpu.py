"""On a GPU: the same lists, and the same logits but for rounding; skipped where there is none."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from tests.tracin.factors import whole_slots
from tracin.arithmetic import Precision, send
from tracin.images import read_batch
from tracin.inference import forward
from tracin.model import Architecture, build_model
from tracin.tiles import tile_table

RATES = (0.5, 0.25, 1.0, 2.0, 0.125)
CPU, GPU = torch.device("cpu"), torch.device("cuda")
pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="wants a GPU")


@pytest.mark.parametrize("cosine", [False, True])
def test_lists_of_a_tile(cosine: bool) -> None:
    test, train = whole_slots(300, 0, 129, RATES), whole_slots(2000, 200, 129, RATES)
    found, expected = (tile_table(test, train, 20, device, cosine) for device in (GPU, CPU))
    if cosine:
        difference = found["influence"] - expected["influence"]
        assert difference.abs().max() < 1e-5
    else:
        pd.testing.assert_frame_equal(found, expected, check_exact=True)


def test_lists_of_a_tile_of_the_head_alone() -> None:
    """Without sketches, as by default."""
    test, train = (
        [(replace(factors, sketches={}), rate) for factors, rate in whole_slots(*size, 129, RATES)]
        for size in ((300, 0), (2000, 200))
    )
    found, expected = (tile_table(test, train, 20, device) for device in (GPU, CPU))
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


def test_copies_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tracin.arithmetic.PINNED", 1000)
    for tensor in (torch.rand(999, 7), torch.rand(3, 2000), torch.rand(0, 4)):
        assert torch.equal(send(tensor, GPU).cpu(), tensor)


@pytest.mark.parametrize(
    ("precision", "tolerance"), [("float32", 1e-3), ("tf32", 2e-2), ("bfloat16", 5e-2)]
)
def test_forward_passes(precision: Precision, tolerance: float) -> None:
    torch.manual_seed(0)
    model = build_model(Architecture("resnet18", classes=3, stem="small"))
    pixels = np.random.default_rng(0).integers(0, 256, (90, 20, 20, 3), dtype=np.uint8)
    ids = np.random.default_rng(1).permutation(90)[:70]
    assert torch.equal(read_batch(pixels, ids, 16, pinned=True), read_batch(pixels, ids, 16))

    def logits(device: torch.device) -> torch.Tensor:
        kind = precision if device.type == "cuda" else "float32"
        passes = forward(model, pixels, ids, 16, 8, device, kind)
        return torch.cat([values.cpu() for _, values, _ in passes])

    torch.testing.assert_close(logits(GPU), logits(CPU), rtol=tolerance, atol=tolerance)
