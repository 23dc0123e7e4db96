"""What a review would buy, where the truth is known: an oracle corrects what it is shown first."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from cleanlab.rank import get_label_quality_scores
from safetensors.torch import load_file
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from tracin.checkpoints import load_checkpoint
from tracin.errors import UserError
from tracin.images import open_pixels
from tracin.inference import evaluate, forward
from tracin.loss import Loss, balanced_class_weights
from tracin.model import Architecture, architecture_of, build_model
from tracin.recipe import Recipe, Run, recipe_of
from tracin.samples import Samples, read_samples
from tracin.training import train

FOLDS = 5
NOTHING, EVERYTHING = "nothing corrected", "everything corrected"


@dataclass(frozen=True)
class Simulation:
    """A data set of known truth and how a model of it is trained.

    `noisy` are the training images with their given labels, `truth` the same with their true ones;
    `backbone` holds pretrained weights, or is None. `pixels` is uint8 [n, H, W, 3].
    """

    pixels: np.ndarray
    noisy: Samples
    truth: Samples
    val: Samples
    test: Samples
    architecture: Architecture
    recipe: Recipe
    balanced: bool
    label_smoothing: float
    backbone: Mapping[str, torch.Tensor] | None
    device: torch.device
    batch_size: int


def read_simulation(config: Mapping[str, Any], results: Path, device: torch.device) -> Simulation:
    """The data set under `results` with the training of `config`.

    Raises:
        UserError: A training image's true label is not known.
    """
    train, model, dataset = config["train"], config["model"], results / "dataset"
    classes = json.loads((dataset / "classes.json").read_text(encoding="utf-8"))
    manifest, labels = dataset / "manifest.parquet", results / "labels" / "original.parquet"
    samples = {split: read_samples(manifest, labels, split) for split in ("train", "val", "test")}
    backbone = results / "weights" / "backbone.safetensors"
    return Simulation(
        pixels=open_pixels(dataset / "pixels.npy"),
        noisy=samples["train"],
        truth=replace(
            samples["train"], labels=_true_labels(manifest, samples["train"].ids, classes)
        ),
        val=samples["val"],
        test=samples["test"],
        architecture=architecture_of(config, len(classes)),
        recipe=recipe_of(train),
        balanced=train["class_weights"] == "balanced",
        label_smoothing=train["label_smoothing"],
        backbone=None if model["weights"] == "none" else load_file(backbone),
        device=device,
        batch_size=config["compute"]["batch_size"],
    )


def _true_labels(manifest: Path, ids: np.ndarray, classes: list[str]) -> np.ndarray:
    """The class indices [n] of the true labels."""
    table = pd.read_parquet(manifest, columns=["sample_id", "true_label"])
    true = table.set_index("sample_id")["true_label"].loc[ids]
    codes = true.map({name: code for code, name in enumerate(classes)})
    if codes.isna().any():
        raise UserError(
            f"{manifest}: {int(codes.isna().sum())} training images have no known true label, "
            "which an oracle needs. Use a manifest with the column true_label."
        )
    return codes.to_numpy(dtype=np.int64)


def read_orders(results: Path) -> dict[str, np.ndarray]:
    """The order of the suspects under `results`, if they were ranked: sample ids [n]."""
    path = results / "original" / "label_errors" / "suspects.parquet"
    if not path.exists():
        return {}
    ranked = pd.read_parquet(path, columns=["train_id", "rank"]).sort_values("rank")
    return {"suspects": ranked["train_id"].to_numpy()}


def simulate(
    simulation: Simulation, seed: int, shares: list[float], given: Mapping[str, np.ndarray]
) -> Iterator[dict[str, object]]:
    """Train without, with every, and with the corrections of a review of each share and order.

    `given` are orders by name, as sample ids [n], most suspicious first; beside them stand the
    orders by loss and by cleanlab, both from the model of the noisy labels, and a random one.
    Yields rows of seed, order, share, corrected, accuracy and loss.
    """
    yield _row(simulation, seed, EVERYTHING, 1.0, simulation.truth)[0]
    row, model = _row(simulation, seed, NOTHING, 0.0, simulation.noisy)
    yield row
    random = np.random.default_rng(seed).permutation(simulation.noisy.ids)
    orders = {**given, **model_orders(simulation, model), "random": random}
    for share in shares:
        for name, order in orders.items():
            corrected = after_review(simulation.noisy, simulation.truth, order, share)
            yield _row(simulation, seed, name, share, corrected)[0]


def after_review(noisy: Samples, truth: Samples, order: np.ndarray, share: float) -> Samples:
    """The labels after an oracle set the first `share` of the images in `order` to the truth."""
    seen = np.isin(noisy.ids, order[: round(share * len(noisy))])
    return replace(noisy, labels=np.where(seen, truth.labels, noisy.labels))


def model_orders(simulation: Simulation, model: nn.Module) -> dict[str, np.ndarray]:
    """The training images by the loss of the model, and by cleanlab's label quality.

    cleanlab judges out-of-sample probabilities: those of logistic regressions on the model's
    features in cross-validation (Northcutt, Jiang, Chuang: Confident Learning, 2021).
    """
    noisy, size = simulation.noisy, simulation.recipe.input_size
    batches = forward(
        model, simulation.pixels, noisy.ids, size, simulation.batch_size, simulation.device
    )
    parts = [(logits.softmax(dim=1).cpu(), inputs.cpu()) for _, logits, inputs in batches]
    probabilities = torch.cat([part[0] for part in parts]).numpy()
    features = torch.cat([part[1] for part in parts]).numpy()
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    held_out = cross_val_predict(probe, features, noisy.labels, cv=folds, method="predict_proba")
    quality = get_label_quality_scores(noisy.labels, held_out)
    own = probabilities[np.arange(len(noisy)), noisy.labels]
    return {
        "loss": noisy.ids[np.argsort(own, kind="stable")],
        "cleanlab": noisy.ids[np.argsort(quality, kind="stable")],
    }


def _row(
    simulation: Simulation, seed: int, order: str, share: float, samples: Samples
) -> tuple[dict[str, object], nn.Module]:
    """Train on `samples` and test: a row of the table, and the model."""
    model = _trained(simulation, seed, samples)
    uniform = Loss((1.0,) * simulation.architecture.classes)
    loss, accuracy = evaluate(
        model,
        uniform,
        simulation.pixels,
        simulation.test,
        simulation.recipe.input_size,
        simulation.batch_size,
        simulation.device,
    )
    corrected = int((samples.labels != simulation.noisy.labels).sum())
    row = {"seed": seed, "order": order, "share": share, "corrected": corrected}
    return row | {"accuracy": accuracy, "loss": loss}, model


def _trained(simulation: Simulation, seed: int, samples: Samples) -> nn.Module:
    """The best weights of a run as the workflow's, with nothing of it left on disk."""
    torch.manual_seed(seed)
    model = build_model(simulation.architecture)
    if simulation.backbone is not None:
        model.load_state_dict(simulation.backbone, strict=False)
    classes = simulation.architecture.classes
    weights: tuple[float, ...] = (1.0,) * classes
    if simulation.balanced:
        weights = balanced_class_weights(torch.from_numpy(samples.labels), classes)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run = Run(
            model=model,
            architecture=simulation.architecture,
            loss=Loss(weights, simulation.label_smoothing),
            recipe=simulation.recipe,
            pixels=simulation.pixels,
            train=samples,
            val=simulation.val,
            device=simulation.device,
            seed=seed,
            folder=folder / "state",
            batch_size=simulation.batch_size,
        )
        train(
            run,
            folder / "best.safetensors",
            [folder / "last.safetensors"],
            folder / "training.parquet",
            folder / "dynamics.safetensors",
        )
        return load_checkpoint(folder / "best.safetensors")[0].to(simulation.device)


def recovered(table: pd.DataFrame) -> pd.DataFrame:
    """Mean accuracy over the seeds by order and share, and the share of the lost accuracy won back.

    1 is the accuracy of the true labels, 0 that of the noisy ones.
    """
    means = table.groupby(["order", "share"], sort=False)["accuracy"].mean().reset_index()
    clean = float(means.loc[means["order"] == EVERYTHING, "accuracy"].iloc[0])
    noisy = float(means.loc[means["order"] == NOTHING, "accuracy"].iloc[0])
    means["recovered"] = (means["accuracy"] - noisy) / (clean - noisy) if clean != noisy else np.nan
    return means
