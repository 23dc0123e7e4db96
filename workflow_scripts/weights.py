"""Pretrained weights -> a checked backbone as safetensors."""

from pathlib import Path

import torch
from safetensors.torch import save_file

from tracin.files import atomic_path
from tracin.model import Architecture, backbone_state, build_model, load_backbone
from tracin.runtime import start_log
from tracin.weights import fetch, published_url, read_state_dict

start_log(snakemake.log[0])
source, architecture = snakemake.params.weights, snakemake.params.architecture
if source == "imagenet":
    # torch's own cache outlives results/, so nothing is downloaded twice.
    path = fetch(published_url(architecture), Path(torch.hub.get_dir()) / "checkpoints")
else:
    path = Path(source)
model = build_model(Architecture(architecture, classes=2, stem=snakemake.params.stem))
load_backbone(model, read_state_dict(path), path)
print(f"the backbone is that of {path}; a head in it (fc) is left out for a new one")
with atomic_path(snakemake.output.weights) as temporary:
    save_file({k: v.contiguous() for k, v in backbone_state(model).items()}, temporary)
