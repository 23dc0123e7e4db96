"""Two-stage training of one run."""

import json
from pathlib import Path

import pandas as pd
import torch
from safetensors.torch import load_file

from tracin.images import Augmentation, open_pixels
from tracin.loss import Loss, balanced_class_weights
from tracin.model import Architecture, build_model, chosen_layers, load_backbone
from tracin.recipe import Recipe, Run
from tracin.runtime import pick_device, start_log
from tracin.samples import read_samples
from tracin.training import train
from tracin.training_state import pixels_digest

start_log(snakemake.log[0])
device = pick_device(snakemake.resources.device, snakemake.threads)
given, params = snakemake.input, snakemake.params
classes = json.loads(Path(given.classes).read_text(encoding="utf-8"))
samples = {s: read_samples(given.manifest, given.labels, s) for s in ("train", "val")}
pixels = open_pixels(given.pixels)
files = pd.read_parquet(given.manifest, columns=["sha256"])["sha256"]
torch.manual_seed(params.seed)
architecture = Architecture(classes=len(classes), **params.architecture)
model = build_model(architecture)
if (layers := snakemake.config["influence"]["layers"]) != "head":
    chosen_layers(model, layers)  # A misspelt name is refused now, not when training is done.
for path in given.weights:
    load_backbone(model, load_file(path), path)
labels = torch.from_numpy(samples["train"].labels)
balanced = params.class_weights == "balanced"
weights = balanced_class_weights(labels, len(classes)) if balanced else (1.0,) * len(classes)
run = Run(
    model=model,
    architecture=architecture,
    loss=Loss(weights, params.label_smoothing),
    recipe=Recipe(**params.recipe, augmentation=Augmentation(**params.augmentation)),
    pixels=pixels,
    train=samples["train"],
    val=samples["val"],
    device=device,
    seed=params.seed,
    folder=Path(snakemake.output.best).parent / "training_state",
    batch_size=snakemake.resources.batch_size,
    workers=snakemake.resources.workers,
    origin={
        "training code": params.code,
        "pixels": pixels_digest(pixels, files),
    },
)
best, table, dynamics = map(Path, snakemake.output[:3])
train(run, best, [Path(slot) for slot in snakemake.output.slots], table, dynamics)
