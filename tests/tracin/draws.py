"""Factors that invite mistakes in a pruned tile."""

from collections.abc import Callable

import torch
from torch import Tensor

from tracin.shards import Factors, Slot

CPU = torch.device("cpu")
N, M, DEPTH, CLASSES = 900, 1100, 512, 4
RATES = (1e-3, 2e-4)
Draw = Callable[[torch.Generator, int], tuple[Tensor, Tensor]]


def trained(generator: torch.Generator, n: int) -> tuple[Tensor, Tensor]:
    """Like a trained network: activations near few directions, most errors tiny."""
    directions = torch.rand(CLASSES, DEPTH, generator=torch.Generator().manual_seed(9))
    label = torch.randint(CLASSES, (n,), generator=generator)
    activations = directions[label] + 0.05 * torch.rand(n, DEPTH, generator=generator)
    logits = 5 * torch.nn.functional.one_hot(label, CLASSES) + 2 * torch.randn(
        n, CLASSES, generator=generator
    )
    return activations, logits.softmax(dim=1) - torch.nn.functional.one_hot(label, CLASSES)


def many_directions(generator: torch.Generator, n: int) -> tuple[Tensor, Tensor]:
    """Residuals of two samples are equal or at right angles: the bound is reached."""
    activations = torch.eye(DEPTH)[torch.randint(64, (n,), generator=generator)]
    return activations, torch.randn(n, CLASSES, generator=generator)


def all_equal(generator: torch.Generator, n: int) -> tuple[Tensor, Tensor]:
    return torch.ones(n, DEPTH), torch.ones(n, CLASSES) - 0.5


def zero_errors(generator: torch.Generator, n: int) -> tuple[Tensor, Tensor]:
    return trained(generator, n)[0], torch.zeros(n, CLASSES)


def mostly_zero(generator: torch.Generator, n: int) -> tuple[Tensor, Tensor]:
    activations, errors = trained(generator, n)
    errors[5:] = 0
    return activations, errors


def some_zero(generator: torch.Generator, n: int) -> tuple[Tensor, Tensor]:
    """All training samples tie for some test samples, in groups with others."""
    activations, errors = trained(generator, n)
    errors[::30] = 0
    return activations, errors


def one_giant(generator: torch.Generator, n: int) -> tuple[Tensor, Tensor]:
    activations, errors = trained(generator, n)
    activations[n // 2] *= 1e6
    errors[n // 2] *= 1e3
    return activations, errors


def some_blank(generator: torch.Generator, n: int) -> tuple[Tensor, Tensor]:
    """No activation at all: nothing to divide by."""
    activations, errors = trained(generator, n)
    activations[::7] = 0
    return activations, errors


def tiny_errors(generator: torch.Generator, n: int) -> tuple[Tensor, Tensor]:
    """Their squares, or products, are below what float32 can hold."""
    activations, errors = trained(generator, n)
    return activations, errors * 10.0 ** torch.randint(-24, -10, (n, 1), generator=generator)


def nearly_cancelled(generator: torch.Generator, n: int) -> tuple[Tensor, Tensor]:
    """Tiny errors whose product is the small difference of two large ones."""
    activations, errors = trained(generator, n)
    sign = torch.tensor([1.0, -1.0 if n == N else 1.0 + 1e-7])
    errors[:, :2] = sign * (1e-25 if n == N else 1.0) * torch.randn(n, 1, generator=generator)
    errors[:, 2:] = 0
    return activations, errors


def negative(generator: torch.Generator, n: int) -> tuple[Tensor, Tensor]:
    activations, errors = trained(generator, n)
    return torch.randn(n, DEPTH, generator=generator) - activations, errors


def noise(generator: torch.Generator, n: int) -> tuple[Tensor, Tensor]:
    """Nothing to prune by: falls back."""
    return torch.randn(n, DEPTH, generator=generator), torch.randn(n, CLASSES, generator=generator)


def duplicates(generator: torch.Generator, n: int) -> tuple[Tensor, Tensor]:
    """Each row many times: ties everywhere."""
    activations, errors = trained(generator, n // 20 + 1)
    return activations.repeat(20, 1)[:n].clone(), errors.repeat(20, 1)[:n].clone()


CASES: list[Draw] = [
    trained, many_directions, all_equal, zero_errors, mostly_zero, some_zero, one_giant, some_blank,
    tiny_errors, nearly_cancelled, negative, noise, duplicates,
]  # fmt: skip


def slots(draw: Draw, n: int, first_id: int) -> list[Slot]:
    generator = torch.Generator().manual_seed(first_id)
    ids = torch.arange(first_id, first_id + n)
    return [(Factors(ids, *draw(generator, n)), rate) for rate in RATES]
