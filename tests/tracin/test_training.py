"""Two-stage training: reproducible, blind to the test split, stopped in time, and its dynamics."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from tracin import training
from tracin.checkpoints import load_checkpoint, read_metadata
from tracin.dynamics import DECAY, Dynamics, margins, read_dynamics
from tracin.errors import UserError
from tracin.images import Augmentation
from tracin.loss import Loss
from tracin.model import Architecture, backbone_state, build_model
from tracin.recipe import Recipe, Run
from tracin.samples import Samples
from tracin.training import train

CPU = torch.device("cpu")
CLASSES = 3
LABELS = np.arange(48, dtype=np.int64) % CLASSES
LOSS = Loss((1.0,) * CLASSES, 0.1)
TRAIN, VAL, TEST = np.arange(30), np.arange(30, 39), np.arange(39, 48)
RECIPE = Recipe(
    input_size=8,
    batch_size=8,
    head_epochs=1,
    epochs=2,
    learning_rate_head_stage=1e-2,
    learning_rate_head=1e-3,
    learning_rate_backbone=1e-4,
    optimizer="adamw",
    weight_decay=0.01,
    momentum=0.9,
    schedule="plateau",
    plateau_factor=0.5,
    plateau_patience=1,
    patience=5,
    checkpoint_every=1,
    precision="float32",
    augmentation=Augmentation(rotation=10),
)


def pixels(test_seed: int = 0) -> np.ndarray:
    """Noise around a grey level of the class; the test images come of a seed of their own."""
    levels = 60 + 60 * LABELS[:, None, None, None]
    noise = np.random.default_rng(0).integers(0, 40, (48, 10, 10, 3))
    noise[TEST] = np.random.default_rng(test_seed).integers(0, 40, noise[TEST].shape)
    return (levels + noise).astype(np.uint8)


def new_run(
    folder: Path,
    recipe: Recipe = RECIPE,
    test_seed: int = 0,
    workers: int = 0,
    labels: np.ndarray = LABELS,
    first_weights: int = 0,
    origin: dict[str, str] | None = None,
    loss: Loss = LOSS,
) -> Run:
    """A run that has not begun, with its state in `folder`."""
    torch.manual_seed(first_weights)
    architecture = Architecture("resnet18", CLASSES, stem="small")
    return Run(
        model=build_model(architecture),
        architecture=architecture,
        loss=loss,
        recipe=recipe,
        pixels=pixels(test_seed),
        train=Samples(TRAIN, labels[TRAIN]),
        val=Samples(VAL, labels[VAL]),
        device=CPU,
        seed=0,
        folder=folder / "training_state",
        batch_size=16,
        workers=workers,
        origin=origin or {},
    )


def run_training(
    folder: Path, recipe: Recipe = RECIPE, slots: int = 3, **options: Any
) -> pd.DataFrame:
    """Train into `folder`, with the options of `new_run`; the table of epochs."""
    run = new_run(folder, recipe, **options)
    paths = [folder / f"{slot}.safetensors" for slot in range(slots)]
    train(run, folder / "best.safetensors", paths, folder / "table.parquet", folder / "dynamics")
    return pd.read_parquet(folder / "table.parquet")


@pytest.mark.usefixtures("spawning")
def test_same_seed_same_weights_whatever_the_test_images_and_workers(tmp_path: Path) -> None:
    hashes = []
    runs: dict[str, dict[str, Any]] = {"a": {}, "b": {"test_seed": 1}, "c": {"workers": 2}}
    for name, options in runs.items():
        (tmp_path / name).mkdir()
        run_training(tmp_path / name, **options)
        files = ("best", "0", "1", "2")
        hashes.append(
            [read_metadata(tmp_path / name / f"{f}.safetensors").weights_sha256 for f in files]
        )
    assert hashes[0] == hashes[1] == hashes[2]
    assert len(set(hashes[0][1:])) == 3


def test_stages_rates_and_the_frozen_backbone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed: list[torch.nn.Module] = []
    monkeypatch.setattr("tracin.training.use_products", placed.append)
    table = run_training(tmp_path)
    assert len(placed) == 1  # small maps are products
    assert table["stage"].tolist() == ["head", "full", "full"]
    assert table["learning_rate_head"].tolist() == [1e-2, 1e-3, 1e-3]
    assert table["learning_rate_backbone"].tolist() == [0.0, 1e-4, 1e-4]
    torch.manual_seed(0)
    initial = backbone_state(build_model(Architecture("resnet18", CLASSES, stem="small")))
    after_head = load_checkpoint(tmp_path / "0.safetensors")[0].state_dict()
    after_all = load_checkpoint(tmp_path / "2.safetensors")[0].state_dict()
    assert all(torch.equal(tensor, after_head[name]) for name, tensor in initial.items())
    assert not torch.equal(initial["conv1.weight"], after_all["conv1.weight"])


def test_early_stop_and_plateau(tmp_path: Path) -> None:
    """At a rate too small to change the loss, the plateau lowers it and patience ends the run."""
    still = replace(
        RECIPE,
        head_epochs=0,
        epochs=30,
        optimizer="sgd",
        learning_rate_head=1e-7,
        learning_rate_backbone=1e-7,
        plateau_patience=0,
        patience=3,
    )
    table = run_training(tmp_path, still, slots=2)
    best = int(table["val_loss"].to_numpy().argmin())
    assert len(table) == best + 1 + 3 < 30
    assert table["learning_rate_head"].iloc[-1] < table["learning_rate_head"].iloc[0]
    assert read_metadata(tmp_path / "best.safetensors").epoch == best + 1


def test_cosine_rates_fall_to_nothing_over_a_stage(tmp_path: Path) -> None:
    table = run_training(tmp_path, replace(RECIPE, head_epochs=2, epochs=3, schedule="cosine"))
    shares = (1 + np.cos(np.pi * np.array([0, 1 / 2, 0, 1 / 3, 2 / 3]))) / 2
    expected = shares * [1e-2, 1e-2, 1e-3, 1e-3, 1e-3]
    np.testing.assert_allclose(table["learning_rate_head"], expected)
    np.testing.assert_allclose(table["learning_rate_backbone"][2:], expected[2:] / 10)


def test_diverging_training_names_the_batch_and_keeps_what_was_good(tmp_path: Path) -> None:
    wild = replace(RECIPE, optimizer="sgd", learning_rate_backbone=1e30)
    with pytest.raises(UserError, match=r"epoch 2 .*batch 2: the loss is nan.*after epoch 1"):
        run_training(tmp_path, wild)
    assert not (tmp_path / "table.parquet").exists()
    kept = [path for path in tmp_path.rglob("*.safetensors")]
    assert kept and {read_metadata(path).epoch for path in kept} == {1}
    for path in kept:
        load_checkpoint(path)


def test_a_step_too_far_is_seen_in_the_validation_loss(tmp_path: Path) -> None:
    wild = replace(RECIPE, optimizer="sgd", learning_rate_head_stage=1e30, batch_size=30)
    with pytest.raises(UserError, match=r"in epoch 2: the validation loss is nan.*after epoch 1"):
        run_training(tmp_path, wild)


def test_weights_that_are_no_numbers_are_never_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = training._training_pass

    def broken(run: Run, bar: str, *more: Any) -> float:
        loss = real(run, bar, *more)
        if bar.startswith("epoch 2"):
            with torch.no_grad():
                run.model.fc.bias[0] = float("inf")  # type: ignore[union-attr,operator]
        return loss

    monkeypatch.setattr(training, "_training_pass", broken)
    where = r"in epoch 2: NaN or infinity in \['fc\.bias'\].*after epoch 1"
    with pytest.raises(UserError, match=where):
        run_training(tmp_path)


def test_one_image_is_no_training_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "TRAIN", np.arange(1))
    with pytest.raises(UserError, match="needs two images"):
        run_training(tmp_path)


def test_dynamics_hold_each_sample_once_per_epoch(tmp_path: Path) -> None:
    table = run_training(tmp_path)
    found = read_dynamics(tmp_path / "dynamics")
    assert found["sample_id"].tolist() == TRAIN.tolist()
    assert found["loss"].shape == found["margin"].shape == (3, len(TRAIN))
    right = found["predicted"] == LABELS[TRAIN]
    np.testing.assert_allclose(right.mean(axis=1), table["train_accuracy"], rtol=1e-6)
    assert ((found["margin"] > 0) == right).all()
    weights = DECAY ** np.array([2, 1, 0])
    expected = -(weights @ found["loss"]) / weights.sum()
    own = found["log_probabilities"][np.arange(len(TRAIN)), LABELS[TRAIN]]
    np.testing.assert_allclose(own, expected, rtol=1e-4)


def test_dynamics_by_hand(tmp_path: Path) -> None:
    logits = torch.tensor([[2.0, 0.5, -1.0], [0.0, 3.0, 1.0]])
    assert margins(logits, torch.tensor([0, 2])).tolist() == [1.5, -2.0]
    dynamics = Dynamics(np.array([7, 8, 9]), 2, CPU)
    for certain in (0.0, 50.0):
        dynamics.start_epoch()
        dynamics.record(torch.tensor([1]), torch.tensor([[certain, 0.0]]), torch.tensor([0]))
    assert dynamics.loss[0].isnan().tolist() == [True, False, True]
    assert float(dynamics.loss[0][1]) == pytest.approx(np.log(2))
    assert dynamics.accuracy(torch.tensor([1, 0, 1])) == 1
    dynamics.save(tmp_path / "dynamics")
    mean = read_dynamics(tmp_path / "dynamics")["log_probabilities"]
    older, newer = DECAY / (1 + DECAY) * np.log(0.5), -50 / (1 + DECAY)
    np.testing.assert_allclose(mean[1], [older, older + newer], rtol=1e-5)
    assert (mean[[0, 2]] == 0).all()


def test_dynamics_do_not_depend_on_when_they_are_written_down(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    generator = torch.Generator().manual_seed(0)
    states = []
    for noted in (1, 2, 100):
        monkeypatch.setattr("tracin.dynamics.NOTED", noted)
        generator.manual_seed(0)
        dynamics = Dynamics(np.arange(9), 2, CPU)
        for _ in range(2):
            dynamics.start_epoch()
            for rows in torch.randperm(9, generator=generator).split(2):
                logits = torch.randn(len(rows), 2, generator=generator)
                dynamics.record(rows, logits, torch.zeros_like(rows))
        states.append(dynamics.state_dict())
    assert all("_noted" not in state and len(state) == 5 for state in states)
    torch.testing.assert_close(states[1], states[0], rtol=0, atol=0)
    torch.testing.assert_close(states[2], states[0], rtol=0, atol=0)
