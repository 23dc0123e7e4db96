"""Networks whose batch normalisation is part of their convolutions."""

import pytest
import torch
from torch import nn

from tracin.model import Architecture, build_model, folded


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


@pytest.mark.parametrize(
    "architecture",
    [
        Architecture("resnet18", classes=4, stem="small"),
        Architecture("resnet50", classes=4, hidden=(8,)),
        Architecture("resnext50_32x4d", classes=4),
    ],
    ids=lambda architecture: architecture.name,
)
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
