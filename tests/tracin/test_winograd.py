"""Fewer products give what convolutions give."""

from copy import deepcopy

import pytest
import torch
from torch import nn
from torch.nn import functional

from tracin.winograd import SHORT, WinogradConv2d, algorithm, use_winograd

SIZES = [(1, 1), (1, 2), (2, 2), (3, 2), (4, 4), (5, 3), (6, 7), (8, 8), (1, 64), (21, 3)]


def both(conv: nn.Conv2d) -> tuple[nn.Conv2d, nn.Conv2d]:
    """A convolution and the same by fewer products."""
    network = nn.Sequential(nn.Conv2d(1, 1, 1), deepcopy(conv))
    assert use_winograd(network) and type(network[0]) is nn.Conv2d
    assert isinstance(network[1], WinogradConv2d)
    return conv, network[1]


@pytest.mark.parametrize("size", SIZES)
def test_the_matrices_are_a_convolution(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    before, kernel, after = algorithm(*size)
    image, taps = torch.randn(size).double(), torch.randn(3, 3).double()
    products = (kernel @ taps.flatten()).repeat_interleave(len(before) // len(kernel))
    found = (after @ (products * (before @ image.flatten()))).view(size)
    expected = functional.conv2d(image[None, None], taps[None, None], padding=1)[0, 0]
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("side", "kernels", "products"),
    [(1, 1, 1), (2, 9, 9), (3, 25, 25), (4, 36, 36), (5, 25, 100), (8, 36, 144)],
)
def test_how_many_products_a_map_takes(side: int, kernels: int, products: int) -> None:
    before, kernel, after = algorithm(side, side)
    assert kernel.shape == (kernels, 9)
    assert before.shape == (products, side**2) and after.shape == (side**2, products)


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("side", [1, 3])
def test_a_layer_is_the_convolution(layout, bias: bool, stride: int, side: int) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(5, 7, side, stride, side // 2, bias=bias).double().requires_grad_(False)
    conv.to(memory_format=layout)  # type: ignore[call-overload]
    conv, short = both(conv)
    for size in [*SIZES, (9, 9), (15, 16)]:
        images = torch.randn(4, 5, *size, dtype=torch.float64).to(memory_format=layout)
        torch.testing.assert_close(short(images), conv(images), rtol=1e-9, atol=1e-9)
        # As a layer before it lays out small maps.
        images = images.permute(2, 3, 0, 1).contiguous().permute(2, 3, 0, 1)
        torch.testing.assert_close(short(images), conv(images), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("side", "stride"), [(1, 1), (1, 2), (3, 1), (3, 2)])
def test_how_maps_lie_in_memory(side: int, stride: int) -> None:
    """Positions first where they are few, so that no layer has to copy them; else channels last."""
    _, short = both(nn.Conv2d(5, 7, side, stride, side // 2).requires_grad_(False))
    few, many = (torch.randn(4, 5, n * stride, n * stride) for n in (4, 9))
    assert short(few).permute(2, 3, 0, 1).is_contiguous()
    assert short(many).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("side", range(1, 9))
def test_rounding_errors_are_those_of_float32(side: int) -> None:
    """A convolution's own are up to 1.5e-6 of what it gives, as the order of its sums falls out."""
    torch.manual_seed(side)
    conv, short = both(nn.Conv2d(256, 256, 3, padding=1, bias=False).requires_grad_(False))
    images = torch.randn(4, 256, side, side).relu()
    exact = conv.double()(images.double())
    assert (short(images) - exact).square().mean() <= (2e-6) ** 2 * exact.square().mean()


def test_only_small_maps_keep_kernels() -> None:
    _, short = both(nn.Conv2d(4, 4, 3, padding=1).requires_grad_(False))
    short(torch.randn(1, 4, 8, SHORT // 8 + 1))
    assert "transforms" not in short.__dict__
    for _ in range(2):
        short(torch.randn(1, 4, 8, SHORT // 8))
    assert list(short.transforms) == [(8, SHORT // 8)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "other",
    [nn.Conv2d(4, 4, 3, padding=1, groups=2), nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 1, padding=1)],
    ids=["groups", "no padding", "padding"],
)
def test_a_network_with_other_convolutions_is_left_alone(other: nn.Conv2d) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 7), nn.Conv2d(4, 4, 3, padding=1), other)
    assert not use_winograd(network)
    assert all(type(module) is nn.Conv2d for module in network)
