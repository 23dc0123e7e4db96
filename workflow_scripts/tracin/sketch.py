"""Per-sample gradients of the layers before the last, as two-sided random sketches.

The weight gradient of sample i is G_i = sum_t e_t a_t^T over positions t (error at the layer's
output, activation at its input). Kept is S_i = P_out G_i P_in^T = sum_t (P_out e_t)(P_in a_t)^T,
which takes neither G_i nor the unfolded input: P_in is a small convolution of the input and P_out a
1x1 convolution of the error. With E[P^T P] = I for both, independent, the dot product of two
sketches is an unbiased estimate of that of the gradients (Johnson and Lindenstrauss 1984; on the
factors of layer gradients: Park et al., TRAK, ICML 2023; Choe et al., LoGra, 2024).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from types import TracebackType
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from tracin.errors import UserError
from tracin.model import Layers, chosen_layers


def projection(name: str, side: str, rows: int, width: int) -> Tensor:
    """A random [min(rows, width), width] matrix P with E[P^T P] = I; the identity if it fits.

    Orthonormal rows of a Gaussian matrix's QR, times sqrt(width / rows): what independent entries
    do, with less variance. Seeded by the layer's name and side alone, so that all jobs agree.
    """
    if rows >= width:
        return torch.eye(width)
    seed = [zlib.crc32(name.encode()), zlib.crc32(side.encode())]
    gaussian = np.random.default_rng(seed).standard_normal((width, rows))
    orthonormal, triangle = np.linalg.qr(gaussian)
    orthonormal *= np.sign(np.diagonal(triangle))
    return torch.from_numpy(orthonormal.T * np.sqrt(width / rows)).float()


class LinearSketch:
    """Sketch of a linear layer's weight and bias, the bias as a last column of the weight."""

    def __init__(self, name: str, layer: nn.Linear, dimension: int) -> None:
        self.biased = layer.bias is not None
        device = layer.weight.device
        inputs = layer.in_features + self.biased
        self.inner = projection(name, "in", dimension, inputs).to(device)
        self.outer = projection(name, "out", dimension, layer.out_features).to(device)
        self.width = len(self.inner) * len(self.outer)

    def keep(self, activation: Tensor) -> Tensor:
        """[n, ..., in] -> [n, positions, dimension]."""
        rows = self._positions(activation)
        if self.biased:
            rows = nn.functional.pad(rows, (0, 1), value=1.0)
        # Autocast may have rounded it, but is off when the error comes back.
        return (rows @ self.inner.T).float()

    def sketch(self, kept: Tensor, error: Tensor) -> Tensor:
        """The kept activations and the error [n, ..., out] -> [n, width]."""
        return ((self._positions(error) @ self.outer.T).mT @ kept).flatten(1)

    def _positions(self, rows: Tensor) -> Tensor:
        """[n, ..., width] -> [n, positions, width]."""
        return rows.float().unflatten(0, (len(rows), 1)).flatten(1, -2)


class ConvSketch:
    """Sketch of a convolution's weight and bias; groups add up, each with its own projections."""

    def __init__(self, name: str, layer: nn.Conv2d, dimension: int) -> None:
        self.groups = layer.groups
        weight, biased = layer.weight, layer.bias is not None
        inputs = weight[0].numel() + biased
        inner = projection(name, "in", dimension, layer.groups * inputs)
        outer = projection(name, "out", dimension, layer.out_channels)
        self.width = len(inner) * len(outer)
        self.inner = nn.Conv2d(
            layer.in_channels,
            layer.groups * len(inner),
            layer.kernel_size,  # type: ignore[arg-type]
            layer.stride,  # type: ignore[arg-type]
            layer.padding,  # type: ignore[arg-type]
            layer.dilation,  # type: ignore[arg-type]
            layer.groups,
            biased,
            layer.padding_mode,
        )
        self.outer = nn.Conv2d(
            layer.out_channels, layer.groups * len(outer), 1, groups=layer.groups, bias=False
        )
        per_group = self._by_group(inner)
        kernel = per_group[:, : weight[0].numel()].unflatten(1, weight.shape[1:])
        self.inner.weight.data.copy_(kernel)
        if self.inner.bias is not None:
            self.inner.bias.data.copy_(per_group[:, -1])
        self.outer.weight.data.copy_(self._by_group(outer)[:, :, None, None])
        for module in (self.inner, self.outer):
            module.requires_grad_(False).to(weight.device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def _by_group(self, matrix: Tensor) -> Tensor:
        """[rows, groups x width] -> [groups x rows, width]."""
        return matrix.unflatten(1, (self.groups, -1)).transpose(0, 1).flatten(0, 1)

    def _positions(self, image: Tensor) -> Tensor:
        """[n, groups x rows, H, W] -> [n, rows, groups x H x W]."""
        grouped = image.float().flatten(2).unflatten(1, (self.groups, -1))
        return grouped.transpose(1, 2).flatten(2)

    def keep(self, activation: Tensor) -> Tensor:
        """[n, in, H, W] -> [n, dimension, groups x positions]."""
        return self._positions(self.inner(activation))

    def sketch(self, kept: Tensor, error: Tensor) -> Tensor:
        """The kept activations and the error [n, out, H', W'] -> [n, width]."""
        return (self._positions(self.outer(error.float())) @ kept.mT).flatten(1)


class NormSketch:
    """The exact gradient of the scale and shift of a batch normalisation in eval mode."""

    def __init__(self, name: str, layer: nn.BatchNorm2d, dimension: int) -> None:
        if layer.running_mean is None or layer.running_var is None or not layer.affine:
            raise UserError(
                f"Layer {name!r} has no running statistics or no scale and shift. Leave it out of "
                "influence.layers."
            )
        self.mean = layer.running_mean[:, None, None]
        self.scale = (layer.running_var + layer.eps).rsqrt()
        self.width = 2 * layer.num_features

    def keep(self, activation: Tensor) -> Tensor:
        """The input itself, [n, channels, H, W]: autograd holds it anyway."""
        return activation

    def sketch(self, kept: Tensor, error: Tensor) -> Tensor:
        """The input and the error, both [n, channels, H, W] -> [n, 2 x channels]."""
        error = error.float()
        scale = ((kept - self.mean) * error).sum((2, 3)) * self.scale
        return torch.cat([scale, error.sum((2, 3))], dim=1)


Sketch = LinearSketch | ConvSketch | NormSketch
KINDS: dict[type[nn.Module], type[Sketch]] = {
    nn.Linear: LinearSketch,
    nn.Conv2d: ConvSketch,
    nn.BatchNorm2d: NormSketch,
}


class Sketcher:
    """Hooks that collect the sketches of a model's layers during forward and backward passes.

    The model must be in eval mode and on its device; its parameters stop asking for gradients.
    Inside the `with` block, each forward pass is followed by `backward`.
    """

    def __init__(self, model: nn.Module, layers: Layers, dimension: int) -> None:
        self.model = model.requires_grad_(False)
        self.modules = chosen_layers(model, layers)
        self.sketches: dict[str, Sketch] = {
            name: KINDS[type(module)](name, module, dimension)  # type: ignore[arg-type]
            for name, module in self.modules.items()
        }
        self._found: dict[str, Tensor] = {}
        self._handles: list[torch.utils.hooks.RemovableHandle] = []

    def __enter__(self) -> Self:
        for name, module in self.modules.items():
            self._handles.append(module.register_forward_hook(self._hook(name)))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for handle in self._handles:
            handle.remove()

    def _hook(self, name: str) -> Callable[[nn.Module, tuple[Tensor], Tensor], Tensor]:
        sketch = self.sketches[name]

        def receive(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> Tensor:
            with torch.no_grad():
                kept = sketch.keep(inputs[0].detach())
            if not output.requires_grad:
                # The graph starts here; a clone, since a leaf may not be changed in place.
                output = output.detach().requires_grad_().clone()

            def collect(error: Tensor) -> None:
                part = sketch.sketch(kept, error)
                self._found[name] = self._found[name] + part if name in self._found else part

            output.register_hook(collect)
            return output

        return receive

    def backward(self, outputs: Tensor, errors: Tensor) -> dict[str, Tensor]:
        """Sketches [n, width] of the `head`'s and of the `backbone`'s layers, side by side.

        Args:
            outputs: what the model gave for n samples; `errors`: d loss / d outputs.
        """
        outputs.backward(errors)
        found, self._found = self._found, {}
        parts: dict[str, list[Tensor]] = {}
        for name in self.modules:
            part = "head" if name.startswith("fc.") else "backbone"
            parts.setdefault(part, []).append(found[name])
        return {part: torch.cat(sketches, dim=1) for part, sketches in parts.items()}
