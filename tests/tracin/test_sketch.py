"""Sketches of layer gradients: against autograd one sample at a time, and their error."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tracin.model import Architecture, build_model, chosen_layers
from tracin.sketch import Sketcher, projection

ALL = 10**6  # wider than any layer: identity projections


class Layer(nn.Module):
    """One layer of interest between a nonlinearity in place and the head."""

    def __init__(self, layer: nn.Module, features: int) -> None:
        super().__init__()
        self.layer, self.relu = layer, nn.ReLU(inplace=True)
        self.fc = nn.Linear(features, 3)

    def forward(self, images: Tensor) -> Tensor:
        return self.fc(self.relu(self.layer(images)).flatten(1))


def batch_norm(channels: int) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(channels)
    norm.running_mean = torch.randn(channels)
    norm.running_var = torch.rand(channels) + 0.5
    return norm


class Tokens(nn.Module):
    """A linear layer over several positions."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(7, 5)

    def forward(self, images: Tensor) -> Tensor:
        return self.linear(images.flatten(1, 2))


CASES: dict[str, tuple[nn.Module, int]] = {
    "linear": (nn.Sequential(nn.Flatten(), nn.Linear(4 * 49, 6)), 6),
    "linear without bias": (nn.Sequential(nn.Flatten(), nn.Linear(4 * 49, 6, bias=False)), 6),
    "linear over positions": (Tokens(), 28 * 5),
    "convolution": (nn.Conv2d(4, 6, 3, padding=1), 6 * 49),
    "stride, no bias": (nn.Conv2d(4, 6, 3, stride=2, padding=1, bias=False), 6 * 16),
    "oblong, dilated": (nn.Conv2d(4, 6, (1, 3), dilation=2, padding=(0, 1)), 6 * 35),
    "groups": (nn.Conv2d(4, 6, 3, groups=2, stride=2), 6 * 9),
    "depthwise": (nn.Conv2d(4, 8, 3, groups=4, padding=1, bias=False), 8 * 49),
    "pointwise": (nn.Conv2d(4, 6, 1, stride=2, bias=False), 6 * 16),
    "batch normalisation": (batch_norm(4), 4 * 49),
}


def sketch(
    model: nn.Module, images: Tensor, labels: Tensor, dimension: int, layers: str | Sequence[str]
) -> Tensor:
    with Sketcher(model, layers, dimension) as sketcher:
        logits = model(images)
        wanted = nn.functional.one_hot(labels, logits.shape[1])
        found = sketcher.backward(logits, logits.detach().softmax(dim=1) - wanted)
        return torch.cat(list(found.values()), dim=1)


def full_gradients(model: nn.Module, images: Tensor, labels: Tensor, layers: object) -> Tensor:
    """The oracle: one backward pass for each image, [n, parameters of the layers]."""
    rows = []
    model.requires_grad_(True)
    for image, label in zip(images, labels, strict=True):
        model.zero_grad()
        nn.functional.cross_entropy(model(image[None]), label[None]).backward()
        chosen = chosen_layers(model, layers).values()  # type: ignore[arg-type]
        rows.append(torch.cat([p.grad.flatten() for m in chosen for p in m.parameters()]))  # type: ignore[union-attr]
    return torch.stack(rows)


@pytest.mark.parametrize("name", CASES)
def test_identity_projections_reproduce_autograd(name: str) -> None:
    torch.manual_seed(0)
    layer, features = CASES[name]
    model = Layer(layer, features).eval()
    images, labels = torch.randn(5, 4, 7, 7), torch.tensor([0, 1, 2, 0, 1])
    sketches = sketch(model, images, labels, ALL, "all")
    oracle = full_gradients(model, images, labels, "all")
    expected, found = oracle @ oracle.T, sketches @ sketches.T
    assert float((found - expected).abs().max()) <= 1e-5 * float(expected.abs().max())


@pytest.fixture(scope="module")
def resnet() -> nn.Module:
    torch.manual_seed(0)
    model = build_model(Architecture("resnet18", classes=3, hidden=(6,), stem="small")).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
    return model


@pytest.fixture(scope="module")
def batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(6, 3, 16, 16, generator=generator), torch.tensor([0, 1, 2, 0, 1, 2])


def test_identity_projections_on_a_whole_resnet(
    resnet: nn.Module, batch: tuple[Tensor, Tensor]
) -> None:
    sketches = sketch(resnet, *batch, ALL, "all")
    oracle = full_gradients(resnet, *batch, "all")
    expected, found = oracle @ oracle.T, sketches @ sketches.T
    assert float((found - expected).abs().max()) <= 1e-5 * float(expected.abs().max())


def test_the_error_falls_with_the_root_of_the_dimension(
    resnet: nn.Module, batch: tuple[Tensor, Tensor]
) -> None:
    """Root mean square over pairs and convolutions, 8 to 32 rows: half the error, or less."""
    names = [n for n, m in resnet.named_modules() if isinstance(m, nn.Conv2d) and "layer" in n]
    oracle = full_gradients(resnet, *batch, names)
    widths = [chosen_layers(resnet, names)[n].weight.numel() for n in names]  # type: ignore[operator]

    def error(dimension: int) -> float:
        sketches = sketch(resnet, *batch, dimension, names)
        parts = zip(
            oracle.split(widths, dim=1),
            sketches.chunk(len(names), dim=1),
            strict=True,
        )
        errors = [(s @ s.T - g @ g.T) / torch.outer(g.norm(dim=1), g.norm(dim=1)) for g, s in parts]
        return float(torch.stack(errors).square().mean().sqrt())

    errors = {dimension: error(dimension) for dimension in (4, 16, 64)}
    for few, many in ((4, 16), (16, 64)):
        assert 0.3 < errors[many] / errors[few] < 0.65, errors


def test_projections_are_unbiased_and_depend_on_the_name_only() -> None:
    drawn = torch.stack([projection(f"layer{i}", "in", 3, 12) for i in range(2000)])
    mean = torch.einsum("nrw,nrv->wv", drawn, drawn) / len(drawn)
    torch.testing.assert_close(mean, torch.eye(12), atol=0.15, rtol=0)
    torch.testing.assert_close(drawn[7], projection("layer7", "in", 3, 12), rtol=0, atol=0)
    assert not torch.equal(drawn[7], projection("layer7", "out", 3, 12))
    assert np.array_equal(projection("any", "in", 12, 12), np.eye(12))


def test_sketches_do_not_depend_on_the_batch(
    resnet: nn.Module, batch: tuple[Tensor, Tensor]
) -> None:
    images, labels = batch
    together = sketch(resnet, images, labels, 4, "all")
    apart = torch.cat(
        [sketch(resnet, images[i : i + 1], labels[i : i + 1], 4, "all") for i in range(6)]
    )
    torch.testing.assert_close(together, apart, rtol=1e-4, atol=1e-5 * float(together.abs().max()))


def test_names_stand_for_what_is_below_them(resnet: nn.Module) -> None:
    assert set(chosen_layers(resnet, ["layer4.1.bn2", "fc"])) == {"layer4.1.bn2", "fc.0"}
    assert all(name.startswith("layer1.") for name in chosen_layers(resnet, ["layer1"]))
    assert len(chosen_layers(resnet, ["layer1"])) == 8
    with pytest.raises(ValueError, match=r"'layer5' holds no convolution.*conv1"):
        chosen_layers(resnet, ["layer1", "layer5"])


def test_the_backward_pass_starts_no_earlier_than_the_first_layer(
    resnet: nn.Module, batch: tuple[Tensor, Tensor]
) -> None:
    seen: list[str] = []
    handle = resnet.layer1.register_full_backward_hook(lambda *_: seen.append("layer1"))  # type: ignore[union-attr]
    sketch(resnet, *batch, 4, ["layer3.1.bn2"])
    assert not seen
    sketch(resnet, *batch, 4, ["conv1"])
    assert seen
    handle.remove()
