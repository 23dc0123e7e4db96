"""Convolutions of small maps by fewer products: float32 passes on a CPU, without gradients.

A 3 x 3 convolution takes 9 products of channels per position; Winograd's algorithms take 2.25 where
a tile of 4 x 4 positions is worked out at once, at the price of sums before and after them
(Winograd, Arithmetic Complexity of Computations, 1980; Lavin and Gray, CVPR 2016).
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from tracin.small_maps import FORWARD, SmallMapConv2d, as_rows

# Output positions up to which this is sooner: docs/benchmarks.md. Beside it, strided kernels are
# products where they are in other passes.
SHORT, POINTWISE = 64, 64
LARGEST_TILE = 4
# Where the polynomials are evaluated, by the tile's side: of the dyadic numbers below 2 those whose
# rounding errors were least (as Barabasz et al., ACM TOMS 2020, search); infinity is one more.
POINTS = {3: (0.5, -0.5, 1.25, -1.25), 4: (0.0, 0.625, -0.625, 1.5, -1.5)}


def use_winograd(model: nn.Module) -> bool:
    """Let the convolutions of `model` take fewer products, if all but the first can.

    The layers' class changes in place. Of small maps they yield positions before images in memory,
    so that all tiles of a batch are one product; other convolutions would have to copy such maps.

    Returns:
        Whether it was done.
    """
    convs = [module for module in model.modules() if isinstance(module, nn.Conv2d)][1:]
    able = all(SmallMapConv2d.suits(conv) and _keeps_positions(conv) for conv in convs)
    for conv in convs if able else ():
        conv.__class__ = WinogradConv2d
    return able


def _keeps_positions(conv: nn.Conv2d) -> bool:
    """Padded so that stride 1 yields as many positions as it reads."""
    return 2 * int(conv.padding[0]) == conv.kernel_size[0] - 1


class WinogradConv2d(nn.Conv2d):
    """A convolution without gradients whose small maps lie as [rows, columns, n, channels]."""

    def forward(self, input: Tensor) -> Tensor:
        """What the convolution gives, [n, channels, rows, columns], but for rounding."""
        side, stride = self.kernel_size[0], self.stride[0]
        rows, columns = (-(-length // stride) for length in input.shape[2:])
        positions = rows * columns
        images = input.permute(2, 3, 0, 1)
        if side == 1 and positions <= POINTWISE:
            result = functional.linear(
                images[::stride, ::stride].contiguous(), self.weight.flatten(1), self.bias
            )
        elif side == 3 and stride == 1 and positions <= SHORT:
            result = self._short(images.contiguous())
        elif positions <= FORWARD[side]:
            seen = as_rows(images, side, stride, int(self.padding[0]), first=0)
            result = functional.linear(seen, self.weight.permute(0, 2, 3, 1).flatten(1), self.bias)
        else:
            return super().forward(input.contiguous(memory_format=torch.channels_last))
        return result.permute(2, 3, 0, 1)

    def _short(self, images: Tensor) -> Tensor:
        """The convolution of images [rows, columns, n, channels], laid out like them."""
        rows, columns, n, channels = images.shape
        before, kernels, after = self._transforms(rows, columns)
        seen = before @ images.view(rows * columns, n * channels)
        products = torch.bmm(seen.view(len(kernels), -1, channels), kernels)
        result = (after @ products.view(after.shape[1], -1)).view(rows, columns, n, -1)
        return result if self.bias is None else result.add_(self.bias)

    def _transforms(self, rows: int, columns: int) -> tuple[Tensor, Tensor, Tensor]:
        """For maps of this size: the sums before, the kernels [products, in, out], the sums after.

        Kept with the layer, whose weights must not change any more; kernels take up to four times
        the memory of the weights.
        """
        kept: dict[tuple[int, int], tuple[Tensor, Tensor, Tensor]]
        kept = self.__dict__.setdefault("transforms", {})
        if (rows, columns) not in kept:
            before, of_kernel, after = (each.to(self.weight) for each in algorithm(rows, columns))
            taps = self.weight.permute(2, 3, 1, 0).flatten(0, 1)
            kernels = (of_kernel @ taps.flatten(1)).view(-1, *taps.shape[1:])
            kept[rows, columns] = before, kernels, after
        return kept[rows, columns]


@cache
def algorithm(rows: int, columns: int) -> tuple[Tensor, Tensor, Tensor]:
    """Matrices of a 3 x 3 convolution of a whole map: after @ ((kernel @ w) * (before @ x)).

    x [rows * columns] is padded with one zero at each side. Products of the same kernel stand
    together: before [products * tiles, rows * columns], kernel [products, 9], after
    [rows * columns, products * tiles], all float64.
    """
    (b, g, a), (d, h, c) = _algorithm(rows), _algorithm(columns)
    before = np.einsum("arx,bsy->rsabxy", b, d).reshape(-1, rows * columns)
    kernel = np.einsum("ri,sj->rsij", g, h).reshape(-1, 9)
    after = np.einsum("xar,ybs->xyrsab", a, c).reshape(rows * columns, -1)
    return torch.from_numpy(before), torch.from_numpy(kernel), torch.from_numpy(after)


def _algorithm(length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same of one dimension: before [tiles, products, length], kernel [products, 3], after.

    `after` is [length, tiles, products]. With the zeros beside it a line of one number needs one
    product, one of two numbers three: w1 (x0 + x1), (w2 - w1) x1 and (w0 - w1) x0.
    """
    if length == 1:
        return np.ones((1, 1, 1)), np.array([[0.0, 1, 0]]), np.ones((1, 1, 1))
    if length == 2:
        before = np.array([[[1.0, 1], [0, 1], [1, 0]]])
        kernel = np.array([[0.0, 1, 0], [0, -1, 1], [1, -1, 0]])
        return before, kernel, np.array([[[1.0, 1, 0]], [[1, 0, 1]]])
    tiles = -(-length // LARGEST_TILE)
    outputs = -(-length // tiles)
    of_tile, kernel, after_tile = _toom_cook(outputs)
    before = np.zeros((tiles, outputs + 2, tiles * outputs + 2))
    after = np.zeros((tiles * outputs, tiles, outputs + 2))
    for tile in range(tiles):
        start = tile * outputs
        before[tile, :, start : start + outputs + 2] = of_tile
        after[start : start + outputs, tile] = after_tile
    return before[:, :, 1 : length + 1], kernel, after[:length]


def _toom_cook(outputs: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Three taps over outputs + 2 numbers: before [p, p], kernel [p, 3], after [outputs, p].

    Toom and Cook's product of polynomials, transposed: p = outputs + 2 products, of which each is
    the value at a point and the last one that at infinity.
    """
    points = np.array(POINTS[outputs])
    others = [np.delete(points, i) for i in range(len(points))]
    # Polynomials that are zero at all points but one, and at all.
    before = np.vstack([[*np.poly(each)[::-1], 0] for each in others] + [np.poly(points)[::-1]])
    scale = np.array([np.prod(point - each) for point, each in zip(points, others, strict=True)])
    kernel = np.vstack([np.vander(points, 3, increasing=True) / scale[:, None], [0, 0, 1]])
    after = np.hstack([np.vander(points, outputs, increasing=True).T, np.eye(outputs)[:, -1:]])
    return before, kernel, after
