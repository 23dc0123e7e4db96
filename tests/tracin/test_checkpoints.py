"""Checkpoints that are damaged, cut short, of another network or without numbers are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tracin.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from tracin.errors import UserError
from tracin.loss import Loss
from tracin.model import Architecture, build_model

SMALL = Architecture("resnet18", 2, stem="small")
FACTS = Checkpoint(SMALL, Loss((1.0, 1.0)), 32, 1, 0.1, 0.1, 0.5)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoint") / "0.safetensors"
    save_checkpoint(
        build_model(SMALL), Checkpoint(SMALL, Loss((1.0, 1.0)), 32, 1, 0.1, 0.1, 0.5), path
    )
    return path


@pytest.mark.parametrize("size", [0, 4, 1000, -1])
def test_a_file_cut_short(good: Path, tmp_path: Path, size: int) -> None:
    (tmp_path / "cut.safetensors").write_bytes(good.read_bytes()[:size])
    with pytest.raises(UserError, match=r"cut\.safetensors is damaged or was cut short.*Delete it"):
        load_checkpoint(tmp_path / "cut.safetensors")


def test_a_flipped_bit(good: Path, tmp_path: Path) -> None:
    content = bytearray(good.read_bytes())
    content[-100] ^= 1
    (tmp_path / "flipped.safetensors").write_bytes(content)
    with pytest.raises(UserError, match="do not match their hash"):
        load_checkpoint(tmp_path / "flipped.safetensors")


def test_weights_without_metadata(good: Path, tmp_path: Path) -> None:
    save_file(load_file(good), tmp_path / "bare.safetensors")
    with pytest.raises(UserError, match="not a checkpoint of this workflow"):
        load_checkpoint(tmp_path / "bare.safetensors")


def test_no_numbers_and_another_network(tmp_path: Path) -> None:
    model, path = build_model(SMALL), tmp_path / "0.safetensors"
    with torch.no_grad():
        model.get_parameter("fc.bias")[0] = float("nan")
    save_checkpoint(model, FACTS, path)
    with pytest.raises(UserError, match=r"NaN or infinity in \['fc\.bias'\]"):
        load_checkpoint(path)
    save_checkpoint(build_model(Architecture("resnet18", 3, stem="small")), FACTS, path)
    with pytest.raises(UserError, match="another network than resnet18"):
        load_checkpoint(path)
