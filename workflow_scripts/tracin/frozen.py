"""A copy of a network for passes without gradients: the same logits but for rounding, sooner."""

from __future__ import annotations

from copy import deepcopy
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_weights

from tracin.arithmetic import Precision
from tracin.model import final_linear

# Output positions up to which a product is faster, by the side of the kernel: docs/benchmarks.md.
FEW_POSITIONS = {1: 49, 3: 16}


def frozen(model: nn.Module, precision: Precision, device: torch.device) -> nn.Module:
    """A copy in eval mode for passes under `autocast(precision, device)`; folded, and more.

    The weights of all layers but the final one have the passes' number format: autocast would round
    them anew for every batch, to the same numbers. On a CPU, small maps go through `FewPositions`.
    """
    copy = folded(model)
    final = final_linear(copy)
    for module in copy.modules() if precision == "bfloat16" else ():
        if isinstance(module, nn.Conv2d | nn.Linear) and module is not final:
            for name, values in list(module.named_parameters(recurse=False)):
                setattr(module, name, _constant(values.to(torch.bfloat16)))
    for block in list(copy.modules()) if device.type == "cpu" else ():
        for name, layer in list(block.named_children()):
            if isinstance(layer, nn.Conv2d) and FewPositions.suits(layer):
                setattr(block, name, FewPositions(layer))
    return copy


def folded(model: nn.Module) -> nn.Module:
    """A copy for inference whose batch normalisation is part of the convolutions before it.

    y = (w * x - mean) / sqrt(var + eps) * gamma + beta is itself a convolution (Jacob et al., CVPR
    2018, section 3.2): the same logits but for rounding, and one pass less over each activation.
    What is not folded has no memory of its own: the copy is for use while the model stays as it is.
    """
    tensors = [*model.parameters(), *model.buffers()]
    copy = deepcopy(model, {id(tensor): tensor for tensor in tensors}).eval()
    for block in list(copy.modules()):
        for (_, conv), (norm_name, norm) in pairwise(list(block.named_children())):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                conv.weight, conv.bias = _fused(conv, norm)
                setattr(block, norm_name, nn.Identity())
    return copy


def _fused(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[nn.Parameter, nn.Parameter]:
    """Weight and bias of both in one."""
    mean, variance = norm.running_mean, norm.running_var
    assert mean is not None and variance is not None
    weight, bias = fuse_conv_bn_weights(
        conv.weight, conv.bias, mean, variance, norm.eps, norm.weight, norm.bias
    )
    return _constant(weight), _constant(bias)


def _constant(values: Tensor) -> nn.Parameter:
    return nn.Parameter(values.detach(), requires_grad=False)


class FewPositions(nn.Module):
    """A convolution that is one matrix product where its output has few positions.

    The kernels for convolutions take the positions of one image at a time and read all weights for
    each image; a product takes those of all images of the batch (im2col: Chellapilla et al., 2006).
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv

    @staticmethod
    def suits(conv: nn.Conv2d) -> bool:
        """Square kernels of the sides above, in one group, without holes, in zeros."""
        side, padding = conv.kernel_size[0], conv.padding[0]
        square = conv.kernel_size == (side, side) and conv.padding == (padding, padding)
        plain = conv.groups == 1 and conv.dilation == (1, 1) and conv.padding_mode == "zeros"
        return side in FEW_POSITIONS and square and plain

    def forward(self, images: Tensor) -> Tensor:
        """What the convolution gives, [n, channels, rows, columns]."""
        side, padding, stride = self.conv.kernel_size[0], self.conv.padding[0], self.conv.stride
        height, width = (
            (length + 2 * int(padding) - side) // step + 1
            for length, step in zip(images.shape[2:], stride, strict=True)
        )
        if height * width > FEW_POSITIONS[side]:
            return self.conv(images)
        # Channels come last in memory: what is flattened below lies in a row, but for the windows.
        images = images.permute(0, 2, 3, 1)
        if padding:
            images = functional.pad(images, (0, 0, *2 * (int(padding), int(padding))))
        windows = images.unfold(1, side, stride[0]).unfold(2, side, stride[1])
        # Of rows with gaps between them, as a stride leaves, a product in bfloat16 is very slow.
        rows = windows.permute(0, 1, 2, 4, 5, 3).flatten(3).contiguous()
        weight = self.conv.weight.permute(0, 2, 3, 1).flatten(1)
        return functional.linear(rows, weight, self.conv.bias).permute(0, 3, 1, 2)
