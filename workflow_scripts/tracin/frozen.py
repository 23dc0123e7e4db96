"""A copy of a network for passes without gradients: the same logits but for rounding, sooner."""

from __future__ import annotations

from copy import deepcopy
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from tracin.arithmetic import Precision
from tracin.model import final_linear
from tracin.small_maps import use_products
from tracin.winograd import use_winograd


def frozen(model: nn.Module, precision: Precision, device: torch.device) -> nn.Module:
    """A copy in eval mode for passes under `autocast(precision, device)`; folded, and more.

    The weights of all layers but the final one have the passes' number format: autocast would round
    them anew for every batch, to the same numbers. On a CPU, small maps go through products: of
    bfloat16 as many as the convolution has, as sums beforehand would round to eight bits.
    """
    copy = folded(model)
    final = final_linear(copy)
    for module in copy.modules() if precision == "bfloat16" else ():
        if isinstance(module, nn.Conv2d | nn.Linear) and module is not final:
            for name, values in list(module.named_parameters(recurse=False)):
                setattr(module, name, _constant(values.to(torch.bfloat16)))
    if device.type == "cpu" and (precision == "bfloat16" or not use_winograd(copy)):
        use_products(copy)
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
