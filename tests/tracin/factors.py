"""Gradients made up for tests of tiles."""

from collections.abc import Sequence

import torch

from tracin.shards import Factors, Sketches, Slot


def whole_slots(
    n: int, first: int, width: int = 5, rates: Sequence[float] = (0.5, 0.25)
) -> list[Slot]:
    """A slot per rate of samples `first`, first + 1, ...: activations [n, width], errors [n, 3].

    Small whole numbers, so that no sum is rounded, however it is cut; sketches ask for dense tiles.
    """
    generator = torch.Generator().manual_seed(first)

    def draw(columns: int) -> torch.Tensor:
        return torch.randint(-3, 4, (n, columns), generator=generator).float()

    ids = torch.arange(first, first + n)
    return [
        (Factors(ids, draw(width), draw(3), {"backbone": Sketches(draw(4), 0.5)}), rate)
        for rate in rates
    ]
