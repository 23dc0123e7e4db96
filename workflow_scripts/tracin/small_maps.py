"""Convolutions of small maps as matrix products, which a CPU works out sooner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

# Output positions up to which a product is sooner, by the side of the kernel: docs/benchmarks.md.
FORWARD = {1: 49, 3: 16}
WEIGHT_GRADIENT = {1: 196, 3: 49}
# Without matrix units, the kernels for convolutions in bfloat16 are the faster ones.
FORWARD_WITHOUT_UNITS = {1: 49}


def use_products(model: nn.Module) -> None:
    """Let the convolutions of `model` be products where that is sooner; for passes on a CPU.

    The layers' class changes in place: names of weights, and what refers to the layers, stay.
    """
    for module in model.modules():
        if type(module) is nn.Conv2d and SmallMapConv2d.suits(module):
            module.__class__ = SmallMapConv2d


class SmallMapConv2d(nn.Conv2d):
    """A convolution that is one matrix product where its output has few positions.

    The kernels for convolutions take the positions of one image at a time and read all weights for
    each image; a product takes those of all images of the batch (im2col: Chellapilla et al., 2006).
    """

    @staticmethod
    def suits(conv: nn.Conv2d) -> bool:
        """Square kernels of the sides above, in one group, without holes, in zeros."""
        side, padding = conv.kernel_size[0], conv.padding[0]
        square = conv.kernel_size == (side, side) and conv.padding == (padding, padding)
        plain = conv.groups == 1 and conv.dilation == (1, 1) and conv.padding_mode == "zeros"
        return side in FORWARD and square and conv.stride == 2 * conv.stride[:1] and plain

    def forward(self, input: Tensor) -> Tensor:
        """What the convolution gives, [n, channels, rows, columns], and its gradients."""
        stride, padding = self.stride[0], int(self.padding[0])
        if not _is_few(WEIGHT_GRADIENT, input, self.weight, stride, padding):
            return super().forward(input)
        result: Tensor = _Convolution.apply(input, self.weight, self.bias, stride, padding)
        return result


class _Convolution(torch.autograd.Function):
    """A convolution whose passes are products where their limits above allow."""

    @staticmethod
    @torch.amp.custom_fwd(  # type: ignore[untyped-decorator]
        device_type="cpu", cast_inputs=torch.bfloat16
    )
    def forward(
        ctx: Any, images: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: int
    ) -> Tensor:
        ctx.save_for_backward(images, weight)
        ctx.geometry = stride, padding
        plain = images.dtype == torch.bfloat16 and not torch.cpu.get_capabilities().get("amx_tile")
        limits = FORWARD_WITHOUT_UNITS if plain else FORWARD
        if not _is_few(limits, images, weight, stride, padding):
            return functional.conv2d(images, weight, bias, stride, padding)
        rows = as_rows(images.permute(0, 2, 3, 1), weight.shape[2], stride, padding)
        flat = weight.permute(0, 2, 3, 1).flatten(1)
        return functional.linear(rows, flat, bias).permute(0, 3, 1, 2)

    @staticmethod
    @torch.amp.custom_bwd(device_type="cpu")  # type: ignore[untyped-decorator]
    def backward(ctx: Any, errors: Tensor) -> tuple[Tensor | None, ...]:
        images, weight = ctx.saved_tensors
        stride, padding = ctx.geometry
        by_images, by_weight, by_bias = ctx.needs_input_grad[:3]
        product = by_weight and _is_few(WEIGHT_GRADIENT, images, weight, stride, padding)
        # The bias's gradient only has a place of its own where the layer has one.
        kept = [by_images, by_weight and not product, by_bias]
        geometry = [stride] * 2, [padding] * 2, [1, 1], False, [0, 0], 1
        bias = [len(weight)] if by_bias else None
        gradients = torch.ops.aten.convolution_backward(
            errors, images, weight, bias, *geometry, kept
        )
        if product:
            rows = as_rows(images.permute(0, 2, 3, 1), weight.shape[2], stride, padding)
            flat = errors.permute(0, 2, 3, 1).flatten(0, 2).T @ rows.flatten(0, 2)
            sides = weight.permute(0, 2, 3, 1).shape
            gradients = gradients[0], flat.view(sides).permute(0, 3, 1, 2), gradients[2]
        return *gradients, None, None


def _is_few(
    limits: Mapping[int, int], images: Tensor, weight: Tensor, stride: int, padding: int
) -> bool:
    """Whether the output has no more positions than the limit for such a kernel."""
    side = weight.shape[2]
    height, width = ((n + 2 * padding - side) // stride + 1 for n in images.shape[2:])
    return height * width <= limits.get(side, 0)


def as_rows(images: Tensor, side: int, stride: int, padding: int, first: int = 1) -> Tensor:
    """What the kernel sees at each position, [n, rows, columns, side * side * channels].

    Args:
        images: [n, rows, columns, channels]; with `first` 0 both are [rows, columns, n, ...].
    """
    if padding:
        images = functional.pad(images, (0, 0) * (2 - first) + (padding,) * 4)
    windows = images.unfold(first, side, stride).unfold(first + 1, side, stride)
    # Of rows with gaps between them, as a stride leaves, a product in bfloat16 is very slow.
    return windows.permute(0, 1, 2, 4, 5, 3).flatten(3).contiguous()
