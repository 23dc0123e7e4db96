"""ResNets of torchvision with a head of linear layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from tracin.errors import UserError
from tracin.vision import models

Layers = Literal["all"] | Sequence[str]
SKETCHED = (nn.Linear, nn.Conv2d, nn.BatchNorm2d)


@dataclass(frozen=True)
class Architecture:
    """What it takes to build a network again: kept in every checkpoint's metadata."""

    name: str
    classes: int
    hidden: tuple[int, ...] = ()
    stem: str = "standard"


def architecture_of(settings: Mapping[str, Any], classes: int) -> Architecture:
    """The network of the `model` settings."""
    model = settings["model"]
    hidden = () if model["head"] == "linear" else tuple(model["head"])
    return Architecture(model["architecture"], classes, hidden, model["stem"])


def build_model(architecture: Architecture) -> nn.Module:
    """The network with random weights; `fc` is the head, a linear layer or a stack ending in one.

    Raises:
        UserError: torchvision has no ResNet of this name, or the stem is unknown.
    """
    known = [name for name in models.list_models(module=models) if "resne" in name]
    if architecture.name not in known:
        raise UserError(
            f"model.architecture {architecture.name!r} is no torchvision ResNet. "
            f"Known: {', '.join(known)}."
        )
    if architecture.stem not in ("standard", "small"):
        raise UserError(f"model.stem is {architecture.stem!r}. Set it to standard or small.")
    model: nn.Module = models.get_model(architecture.name, weights=None)
    if architecture.stem == "small":
        # A 7x7 stride-2 convolution and a pool would leave 32-pixel images one pixel at the end.
        model.conv1 = nn.Conv2d(3, 64, kernel_size=3, stride=1, padding=1, bias=False)
        model.maxpool = nn.Identity()
    inputs = final_linear(model).in_features
    model.fc = build_head(inputs, architecture.hidden, architecture.classes)
    return model


def build_head(inputs: int, hidden: tuple[int, ...], classes: int) -> nn.Module:
    """A linear layer, or linear layers with LeakyReLU between them (published: 512, 256)."""
    if not hidden:
        return nn.Linear(inputs, classes)
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [nn.Linear(inputs, width), nn.LeakyReLU()]
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, classes))


def final_linear(model: nn.Module) -> nn.Linear:
    """The layer whose gradient TracIn uses."""
    head = model.fc
    layer = head[-1] if isinstance(head, nn.Sequential) else head
    assert isinstance(layer, nn.Linear)
    return layer


def chosen_layers(model: nn.Module, layers: Layers) -> dict[str, nn.Module]:
    """The modules that `layers` names, by name; a name also stands for all modules below it.

    The final linear layer is left out: its gradient is kept exactly.

    Raises:
        UserError: a name is unknown, or stands for no layer that can be sketched.
    """
    known = {
        name: module
        for name, module in model.named_modules()
        if type(module) in SKETCHED and module is not final_linear(model)
    }
    if layers == "all":
        return known
    below = {
        wanted: [name for name in known if f"{name}.".startswith(f"{wanted}.")] for wanted in layers
    }
    for wanted, names in below.items():
        if not names:
            raise UserError(
                f"influence.layers: {wanted!r} holds no convolution, linear or batch "
                f"normalisation layer before the last. Known: {', '.join(known)}."
            )
    return {name: known[name] for name in known if any(name in names for names in below.values())}


def backbone_state(model: nn.Module) -> dict[str, Tensor]:
    """The tensors of everything but the head."""
    return {k: v for k, v in model.state_dict().items() if not k.startswith("fc.")}


def load_backbone(model: nn.Module, state: Mapping[str, Tensor], source: Path | str) -> None:
    """Copy the backbone's tensors from `state` into `model`; a head in `state` is left out.

    One prefix of all names, as DataParallel's `module.`, is taken off. Files from before torch
    0.4.1, as torchvision's of ResNet-18, don't hold how many batches normalisation has seen.

    Raises:
        UserError: keys are missing or unknown, or shapes differ; some of each kind are named.
    """
    own = backbone_state(model)
    wanted = [k for k in own if not k.endswith(".num_batches_tracked")]
    prefix = _prefix(wanted, state)
    bare = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    given = {k: v for k, v in bare.items() if not k.startswith("fc.")}
    problems = [
        [f"missing {k}" for k in wanted if k not in given],
        [f"unknown {k}" for k in given if k not in own],
        [
            f"{k} is {list(given[k].shape)}, not {list(own[k].shape)}"
            for k in own
            if k in given and given[k].shape != own[k].shape
        ],
        [f"{k} holds NaN or infinity" for k, v in given.items() if not _finite(v)],
    ]
    if any(problems):
        raise UserError(
            f"The weights {source} do not fit the model ({sum(map(len, problems))} problems): "
            f"{'; '.join(text for kind in problems for text in kind[:3])}. Check "
            "model.architecture and model.stem."
        )
    if prefix:
        print(f"the names in {source} begin with {prefix!r}, which is taken off")
    model.load_state_dict(given, strict=False)


def _prefix(wanted: Sequence[str], state: Mapping[str, Tensor]) -> str:
    """What stands before all wanted names in `state`; empty if nothing does, or several do."""
    found = {k.removesuffix(wanted[0]) for k in state if k.endswith(f".{wanted[0]}")} | {""}
    full = [prefix for prefix in found if all(prefix + name in state for name in wanted)]
    return full[0] if len(full) == 1 else ""


def _finite(tensor: Tensor) -> bool:
    return bool(torch.isfinite(tensor).all())
