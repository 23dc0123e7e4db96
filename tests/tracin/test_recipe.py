"""What training takes from its recipe, and what it tells the checkpoints of its steps."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from tests.tracin.test_training import CPU, LABELS, RECIPE, TRAIN, new_run
from tracin import training
from tracin.checkpoints import read_metadata
from tracin.images import read_batch
from tracin.inference import forward
from tracin.loss import Loss
from tracin.recipe import Run
from tracin.training import train


def test_steps_are_sgd_on_the_loss_that_influences_are_of(tmp_path: Path) -> None:
    """Three steps of the head by hand: its gradient is the mean of error x activation."""
    recipe = replace(RECIPE, optimizer="sgd", weight_decay=0.2, momentum=0.9)
    run = new_run(tmp_path, recipe, loss=Loss((0.5, 1.0, 2.0), 0.1))
    ids, labels = TRAIN[:8], torch.from_numpy(LABELS[:8])
    (_, _, inputs), *rest = forward(run.model, run.pixels, ids, 8, 8, CPU, differentiable=True)
    assert not rest
    activations = torch.cat([inputs.detach(), torch.ones(8, 1)], dim=1)
    fc: Any = run.model.fc
    weights = torch.cat([fc.weight, fc.bias[:, None]], dim=1).detach().clone()
    velocity = torch.zeros_like(weights)
    for _ in range(3):
        errors = run.loss.errors(activations @ weights.T, labels)
        velocity = 0.9 * velocity + errors.T @ activations / 8 + 0.2 * weights
        weights = weights - 1e-2 * velocity  # the rate of the head's stage
    batch = (read_batch(run.pixels, ids, 8), labels, torch.arange(8))
    optimizer = training._optimizer(run, "head")
    training._training_pass(run, "", optimizer, [batch] * 3)  # type: ignore[arg-type]
    found = torch.cat([fc.weight, fc.bias[:, None]], dim=1)
    torch.testing.assert_close(found, weights, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_all_weights_decay_as_the_recipe_says(
    tmp_path: Path, name: Literal["adamw", "sgd"]
) -> None:
    run = new_run(tmp_path, replace(RECIPE, optimizer=name, weight_decay=0.2))
    optimizer = training._optimizer(run, "full")
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.2, 0.2]


def test_the_plateau_is_the_recipes(tmp_path: Path) -> None:
    run = new_run(tmp_path, replace(RECIPE, plateau_factor=0.25, plateau_patience=3, patience=7))
    plateau = training._scheduler(run, training._optimizer(run, "full"), 5)
    assert isinstance(plateau, ReduceLROnPlateau)
    assert (plateau.factor, plateau.patience) == (0.25, 3)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_passes_have_the_precision_of_the_recipe(
    tmp_path: Path, precision: Literal["float32", "bfloat16"]
) -> None:
    run, seen = new_run(tmp_path, replace(RECIPE, precision=precision)), list[torch.dtype]()
    run.model.conv1.register_forward_hook(  # type: ignore[union-attr]
        lambda module, inputs, output: seen.append(output.dtype)
    )
    batch = (read_batch(run.pixels, TRAIN[:4], 8), torch.arange(4) % 3, torch.arange(4))
    optimizer = training._optimizer(run, "full")
    training._training_pass(run, "", optimizer, [batch])  # type: ignore[arg-type]
    assert seen == [getattr(torch, precision)]


def test_each_epoch_has_its_number_and_each_slot_its_epochs_facts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # By the training loss epochs 1, 3 and 4 of 4 are picked; by the other one 2 would be, not 3.
    train_losses, val_losses = [4.0, 5.0, 3.0, 2.0], [4.0, 3.0, 5.0, 2.0]
    run, told = new_run(tmp_path, replace(RECIPE, epochs=3)), list[int]()

    def epoch(run: Run, stage: str, optimizer: Optimizer, loader: Any) -> dict[str, Any]:
        done = len(run.progress.history)
        told.append(loader.sampler.epoch)
        row = {
            "stage": stage,
            "epoch": done + 1,
            "train_loss": train_losses[done],
            "val_loss": val_losses[done],
            "learning_rate_head": 11.0 + done,
            "learning_rate_backbone": 21.0 + done,
        }
        run.progress.history.append(row)
        return row

    monkeypatch.setattr(training, "_epoch", epoch)
    run.dynamics.start_epoch()
    slots = [tmp_path / f"{slot}.safetensors" for slot in range(3)]
    train(run, tmp_path / "best", slots, tmp_path / "table", tmp_path / "dynamics")
    assert told == [1, 2, 3, 4]
    facts = [read_metadata(slot) for slot in slots]
    assert [fact.epoch for fact in facts] == [1, 3, 4]
    assert [fact.train_loss for fact in facts] == [4.0, 3.0, 2.0]
    # TracIn's eta: an influence is weighted with the rate of the step.
    assert [fact.learning_rate_head for fact in facts] == [11.0, 13.0, 14.0]
    assert [fact.learning_rate_backbone for fact in facts] == [21.0, 23.0, 24.0]
