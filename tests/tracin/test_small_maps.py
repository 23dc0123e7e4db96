"""Products give what convolutions give, forward and backward."""

from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tracin import small_maps
from tracin.small_maps import SmallMapConv2d, use_products

# Rows and columns of maps of which both passes are products, the gradients alone, and none.
SIZES = [(3, 5), (6, 7), (20, 20)]


def both(conv: nn.Conv2d) -> tuple[nn.Conv2d, nn.Conv2d]:
    """A convolution and the same by products."""
    product = deepcopy(conv)
    use_products(product)
    assert type(product) is SmallMapConv2d
    return conv, product


def passes(conv: nn.Conv2d, images: Tensor) -> dict[str, Tensor | None]:
    """What the layer gives, and the gradients of a sum with weights of its own."""
    images = images.clone().requires_grad_()
    result = conv(images)
    generator = torch.Generator().manual_seed(1)
    (result * torch.randn(result.shape, generator=generator)).sum().backward()
    bias = None if conv.bias is None else conv.bias.grad
    return {"result": result, "images": images.grad, "weight": conv.weight.grad, "bias": bias}


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("side", "padding"), [(1, 0), (3, 1), (3, 0)])
def test_a_product_is_the_convolution(layout, bias, stride, side: int, padding: int) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(5, 7, side, stride, padding, bias=bias).double()
    conv.to(memory_format=layout)  # type: ignore[call-overload]
    for size in SIZES:
        conv.zero_grad()
        images = torch.randn(4, 5, *size, dtype=torch.float64).to(memory_format=layout)
        expected, found = (passes(each, images) for each in both(conv))
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def counted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """A list that grows by one with every product."""
    rows, calls = small_maps.as_rows, []

    def counting(*args: Any) -> Tensor:
        calls.append(args)
        return rows(*args)

    monkeypatch.setattr(small_maps, "as_rows", counting)
    return calls


@pytest.mark.parametrize(("side", "padding", "kinds"), [(1, 0, [7, 7, 6]), (3, 1, [7, 6, 0])])
def test_which_passes_are_products(
    monkeypatch: pytest.MonkeyPatch, side: int, padding: int, kinds: list[int]
) -> None:
    """Bits: 4 for the layer's own function, 2 for the gradient, 1 for the forward pass."""
    _, product = both(nn.Conv2d(4, 4, side, padding=padding))
    calls = counted(monkeypatch)
    found = []
    for height, width in [(4, 4), (7, 7), (14, 14)]:
        calls.clear()
        result = product(torch.randn(2, 4, height, width))
        forward = len(calls)
        own = "_Convolution" in type(result.grad_fn).__name__
        result.sum().backward()
        found.append(4 * own + 2 * (len(calls) - forward) + forward)
    assert found == kinds


@pytest.mark.parametrize("units", [True, False])
def test_in_bfloat16_large_kernels_need_matrix_units(
    monkeypatch: pytest.MonkeyPatch, units: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_tile": units})
    _, product = both(nn.Conv2d(4, 4, 3, padding=1))
    calls = counted(monkeypatch)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        assert product(torch.randn(2, 4, 4, 4)).dtype == torch.bfloat16
    assert len(calls) == units


def test_gradients_under_autocast_are_those_of_the_convolution() -> None:
    torch.manual_seed(0)
    layers = both(nn.Conv2d(64, 32, 3, padding=1, bias=False))
    images = torch.randn(8, 64, 4, 4)
    with torch.autocast("cpu", torch.bfloat16):
        expected, found = (passes(layer, images) for layer in layers)
    for name in ("result", "images", "weight"):
        assert found[name].dtype == expected[name].dtype  # type: ignore[union-attr]
    torch.testing.assert_close(found, expected, rtol=2**-6, atol=2**-4)


def test_images_need_no_gradient() -> None:
    conv, product = both(nn.Conv2d(4, 4, 3, padding=1))
    images = torch.randn(2, 4, 4, 4)
    for layer in (conv, product):
        layer(images).square().sum().backward()
    torch.testing.assert_close(product.weight.grad, conv.weight.grad, rtol=1e-4, atol=1e-4)


def test_weights_that_do_not_learn_get_no_gradient() -> None:
    _, product = both(nn.Conv2d(4, 4, 3, padding=1).requires_grad_(False))
    images = torch.randn(2, 4, 4, 4, requires_grad=True)
    product(images).sum().backward()
    assert product.weight.grad is None and images.grad is not None


@pytest.mark.parametrize(
    "conv",
    [
        nn.Conv2d(4, 4, 3, groups=2),
        nn.Conv2d(4, 4, 3, dilation=2),
        nn.Conv2d(4, 4, (1, 3)),
        nn.Conv2d(4, 4, 3, padding=(1, 0)),
        nn.Conv2d(4, 4, 3, padding="same"),
        nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(4, 4, 3, stride=(1, 2)),
        nn.Conv2d(4, 4, 5),
    ],
    ids=["groups", "dilation", "kernel", "padding", "same", "reflect", "stride", "five"],
)
def test_other_convolutions_are_left_alone(conv: nn.Conv2d) -> None:
    assert not SmallMapConv2d.suits(conv)
