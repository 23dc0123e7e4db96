"""Reading safetensors files that may be damaged, and small tensors that are needed again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import Tensor

from tracin.errors import UserError


@contextmanager
def readable(path: Path | str) -> Iterator[None]:
    """Say what to do about a file that safetensors can't read inside the block.

    Raises:
        UserError: the file is damaged or was cut short.
    """
    try:
        yield
    except SafetensorError as error:
        raise UserError(
            f"{path} is damaged or was cut short ({error}). Delete it and run again."
        ) from error


@lru_cache(maxsize=32)
def constant(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """`values` as a tensor [n], always the same one: nobody may write to it.

    A GPU would wait for the copy of new ones in every batch.
    """
    # A tensor of inference mode could not take part in a later backward pass.
    with torch.inference_mode(False):
        return torch.tensor(values, dtype=dtype, device=device)
