"""Checkpoints that are damaged, cut short, of another network or without numbers are refused."""

from __future__ import annotations

import os
import subprocess
import sys
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


LOADED = """
import sys
from tracin import gradients, images
from tracin.checkpoints import load_checkpoint
model, facts = load_checkpoint(sys.argv[1])
view = images.RandomView(images.Augmentation((0.3, 1.0), True, 10.0, 0.4, 1.0), facts.input_size)
pixels = images.np.zeros((1, 40, 40, 3), images.np.uint8)
batch = images.torch.stack([view(pixels[0]), images.read_batch(pixels, [0], 32)[0]])
model(images.normalise(batch))
assert "torch._dynamo" not in sys.modules
import torch
from torchvision.ops import roi_align
assert roi_align(torch.ones(1, 1, 4, 4), torch.zeros(0, 5), 1) is not None
assert torch._dynamo.disable(len) is not len
"""


def test_networks_and_views_load_no_compiler_and_it_stays_itself(good: Path) -> None:
    # It took 1.3 s of each job, twice that on a busy core.
    environment = dict(os.environ, PYTHONPATH="workflow_scripts")
    subprocess.run([sys.executable, "-c", LOADED, str(good)], check=True, env=environment)
