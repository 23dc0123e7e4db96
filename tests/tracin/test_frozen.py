"""Copies of networks for passes without gradients say what the networks say."""

from collections import Counter

import pytest
import torch
from torch import nn

from tracin.arithmetic import autocast
from tracin.frozen import folded, frozen
from tracin.model import Architecture, build_model
from tracin.small_maps import SmallMapConv2d
from tracin.winograd import WinogradConv2d

CPU = torch.device("cpu")


def trained(architecture: Architecture) -> nn.Module:
    """A network whose batch normalisations have each their own statistics and scales."""
    torch.manual_seed(0)
    model = build_model(architecture)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for name in ("weight", "running_var"):
                nn.init.uniform_(getattr(module, name), 0.5, 1.5)
            for name in ("bias", "running_mean"):
                nn.init.uniform_(getattr(module, name), -0.5, 0.5)
    return model


networks = pytest.mark.parametrize(
    "architecture",
    [
        Architecture("resnet18", classes=4, stem="small"),
        Architecture("resnet50", classes=4, hidden=(8,)),
        Architecture("resnext50_32x4d", classes=4),
    ],
    ids=lambda architecture: architecture.name,
)


@networks
def test_a_folded_network_says_the_same_without_batch_normalisation(architecture) -> None:
    model = trained(architecture).double().train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    copy = folded(model)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in copy.modules())
    # The original is as it was, and goes on learning.
    assert model.training and all(p.requires_grad for p in model.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    images = torch.randn(3, 3, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        expected = model.eval()(images)
        torch.testing.assert_close(copy(images), expected, rtol=1e-9, atol=1e-9)
    assert expected.std() > 1e-3


@networks
@pytest.mark.parametrize("side", [32, 64])
def test_a_frozen_network_says_the_same_by_products(architecture, side: int) -> None:
    model = trained(architecture).double().eval()
    copy = frozen(model, "float32", CPU)
    images = torch.randn(3, 3, side, side, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(copy(images), model(images), rtol=1e-9, atol=1e-9)


@networks
@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16"])
def test_which_products_a_frozen_network_takes(architecture, precision) -> None:
    model = trained(architecture)
    kinds = Counter(type(module) for module in frozen(model, precision, CPU).modules())
    convs = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    if precision == "bfloat16" or architecture.name.startswith("resnext"):
        assert kinds[SmallMapConv2d] == sum(SmallMapConv2d.suits(conv) for conv in convs) > 10
        assert kinds[WinogradConv2d] == 0
    else:
        # The first convolution never sees a small map.
        assert kinds[WinogradConv2d] == len(convs) - 1 > 10


def test_weights_are_rounded_once_and_to_what_autocast_makes_of_them() -> None:
    model = trained(Architecture("resnet18", classes=4, hidden=(8,), stem="small")).eval()
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    # Nothing on these maps has few positions.
    images = torch.randn(2, 3, 64, 64)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    copy = frozen(model, "bfloat16", CPU)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    formats = {name: parameter.dtype for name, parameter in copy.named_parameters()}
    assert {name for name, dtype in formats.items() if dtype == torch.float32} == {
        f"fc.{len(copy.fc) - 1}.weight",  # type: ignore[arg-type]
        f"fc.{len(copy.fc) - 1}.bias",  # type: ignore[arg-type]
    }
    assert formats["conv1.weight"] == formats["fc.0.weight"] == torch.bfloat16
    with torch.inference_mode(), autocast("bfloat16", CPU):
        assert torch.equal(copy(images), folded(model)(images))
