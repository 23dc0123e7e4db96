"""How large a network and its intermediate results are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tracin.model import architecture_of, build_model, final_linear
from tracin.sketch import Sketcher

COUNTED = (nn.Conv2d, nn.BatchNorm2d, nn.MaxPool2d, nn.Linear)


@dataclass(frozen=True)
class Network:
    """Sizes in bytes, of float32 values."""

    weights: int
    kept: int  # per image of a training batch, for the backward pass
    passing: int  # per image of a forward pass, at its widest
    features: int  # inputs of the final layer
    width: int  # numbers that a shard holds per image


def network_of(settings: Mapping[str, Any], classes: int) -> Network:
    """The sizes of the network of a run's settings, from one image passed through it."""
    influence, size = settings["influence"], settings["train"]["input_size"]
    model = build_model(architecture_of(settings, classes)).eval()
    outputs: list[int] = []

    def note(_: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> None:
        outputs.append(output.numel() * output.element_size())

    for module in model.modules():
        if isinstance(module, COUNTED):
            module.register_forward_hook(note)
    with torch.inference_mode():
        model(torch.zeros(1, 3, size, size))
    features = final_linear(model).in_features
    width = features + 1 + classes
    if influence["layers"] != "head":
        sketcher = Sketcher(model, influence["layers"], influence["projection_dim"])
        width += sum(sketch.width for sketch in sketcher.sketches.values())
    weights = sum(t.numel() * t.element_size() for t in model.state_dict().values())
    # A block's input, its output on the way, and what is computed of it.
    return Network(weights, sum(outputs), 3 * max(outputs), features, width)
