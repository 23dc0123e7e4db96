"""Pretrained weights: torchvision's published file, or a state-dict from disk."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

import torch
from torch import Tensor

from tracin.errors import UserError
from tracin.vision import models


def published_url(architecture: str) -> str:
    """Where torchvision publishes the ImageNet weights of an architecture."""
    weights = models.get_model_weights(architecture)
    url: str = weights.DEFAULT.url
    return url


def fetch(url: str, cache: Path) -> Path:
    """Download `url` into `cache` unless it is there, and check the hash in its name.

    torchvision's names end in the first eight hex digits of the file's SHA-256.

    Raises:
        UserError: the downloaded file has another hash.
        URLError: the address can't be reached.
    """
    path = cache / url.rsplit("/", 1)[-1]
    prefix = path.stem.rsplit("-", 1)[-1]
    if path.exists() and hashlib.sha256(path.read_bytes()).hexdigest().startswith(prefix):
        return path
    cache.mkdir(parents=True, exist_ok=True)
    torch.hub.download_url_to_file(url, str(path), hash_prefix=prefix, progress=True)
    return path


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """A state-dict saved by torch, loaded without running any code in it.

    Raises:
        UserError: the file holds something else than a dictionary of tensors.
    """
    advice = "Save it with torch.save(model.state_dict(), path)."
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise UserError(f"{path} can't be read as plain weights. {advice}") from error
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise UserError(f"{path} holds no state-dict of tensors. {advice}")
    return state
