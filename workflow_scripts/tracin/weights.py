"""Pretrained weights: torchvision's published file, or a state-dict from disk."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path
from urllib.error import URLError

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
        UserError: the downloaded file has another hash, or the address can't be reached.
    """
    path = cache / url.rsplit("/", 1)[-1]
    prefix = path.stem.rsplit("-", 1)[-1]
    if path.exists() and hashlib.sha256(path.read_bytes()).hexdigest().startswith(prefix):
        return path
    cache.mkdir(parents=True, exist_ok=True)
    try:
        torch.hub.download_url_to_file(url, str(path), hash_prefix=prefix, progress=True)
    except RuntimeError as error:
        raise UserError(
            f"What came from {url} is not the published file ({error}). Try again, or put the file "
            f"at {path} yourself."
        ) from error
    except (URLError, TimeoutError, ConnectionError) as error:
        raise UserError(
            f"{url} can't be reached ({error}). Fetch the file on a machine that can, put it at "
            f"{path} or name it in model.weights, or set model.weights: none."
        ) from error
    return path


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """A state-dict saved by torch, loaded without running any code in it.

    Raises:
        UserError: the file holds something else than a dictionary of tensors by name.
    """
    if not path.is_file():
        raise UserError(f"There is no file {path}. Set model.weights to one, to imagenet or none.")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path} holds more than tensors, perhaps code, which is never run. Save it with "
            "torch.save(model.state_dict(), path)."
        ) from error
    except Exception as error:
        # What a damaged archive raises is anything.
        raise UserError(
            f"{path} is damaged or no weights ({type(error).__name__}). Fetch it again, or save it "
            "with torch.save(model.state_dict(), path)."
        ) from error
    if not isinstance(state, dict) or not all(
        isinstance(k, str) and isinstance(v, Tensor) for k, v in state.items()
    ):
        raise UserError(
            f"{path} holds no state-dict of tensors by name. Save it with "
            "torch.save(model.state_dict(), path)."
        )
    return state
