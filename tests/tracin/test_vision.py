"""torchvision is imported without what only its own import asks for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tracin.checkpoints import Checkpoint, save_checkpoint
from tracin.loss import Loss
from tracin.model import Architecture, build_model

SMALL = Architecture("resnet18", 2, stem="small")
CODE = """
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


def test_networks_and_views_load_no_compiler_and_it_stays_itself(tmp_path: Path) -> None:
    # It took 1.3 s of each job, twice that on a busy core.
    path = tmp_path / "0.safetensors"
    facts = Checkpoint(SMALL, Loss((1.0, 1.0)), 32, 1, 0.1, 0.1, 0.5)
    save_checkpoint(build_model(SMALL), facts, path)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", CODE, path], check=True, env=environment)
