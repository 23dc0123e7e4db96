"""Influences as cosines: bounded, whatever the size of the gradients."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from tests.tracin.draws import CPU, one_giant, slots, trained
from tracin.cosines import UnitLength
from tracin.errors import UserError
from tracin.influence import self_influence, tile_scores, topk_table
from tracin.tiles import tile_table


@pytest.mark.parametrize("scale", [1e-18, 1e-21, 1e-30])
def test_cosines_do_not_depend_on_the_size_of_gradients(scale: float) -> None:
    """Their squares, and products, are nothing to a float32."""
    whole = slots(trained, 40, 0)
    small = [(replace(factors, errors=scale * factors.errors), rate) for factors, rate in whole]
    expected, found = (tile_table(some, some, 5, CPU, cosine=True) for some in (whole, small))
    pd.testing.assert_frame_equal(found, expected, rtol=1e-4)
    dense = topk_table(*tile_scores(UnitLength(small), UnitLength(small), CPU), 5)
    pd.testing.assert_frame_equal(dense, expected, rtol=1e-4)


def test_a_gradient_beyond_float32_is_named_with_cosines_too() -> None:
    test, train = slots(trained, 20, 5000), slots(trained, 20, 0)
    for factors, _ in train:
        factors.activations[7] = 1e38
        factors.errors[7] = 1e10
    with pytest.raises(UserError, match="training sample 7 on test sample"):
        tile_table(test, train, 5, CPU, cosine=True)


def test_cosine_is_one_for_equal_gradients_and_bounded() -> None:
    both = slots(trained, 40, 0)
    scores = tile_scores(UnitLength(both), UnitLength(both), CPU)[0]
    torch.testing.assert_close(scores.diagonal(), torch.ones(40))
    assert float(scores.abs().max()) <= 1 + 1e-5
    raw = tile_scores(both, both, CPU)[0].numpy()
    own = self_influence(iter(both))["self_influence"].to_numpy()
    np.testing.assert_allclose(scores, raw / np.sqrt(np.outer(own, own)), rtol=1e-4, atol=1e-5)
    giant = slots(one_giant, 40, 100)
    assert tile_table(slots(trained, 20, 0), giant, 1, CPU)["train_id"].eq(120).any()
    listed = tile_table(slots(trained, 20, 0), giant, 1, CPU, cosine=True)["train_id"]
    assert listed.nunique() > 2
