"""Two-stage fine-tuning: the head alone, then everything."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.utils.data import DataLoader
from tqdm import tqdm

from tracin.checkpoints import Checkpoint, save_checkpoint
from tracin.dynamics import Dynamics
from tracin.errors import UserError
from tracin.files import write_parquet
from tracin.images import Augmentation, EpochSampler, TrainingImages, normalise
from tracin.inference import evaluate
from tracin.loss import Loss
from tracin.model import Architecture
from tracin.samples import Samples
from tracin.slots import choose_slots, is_pooled

# Batches after which their losses are looked at.
CHECKED = 100


@dataclass(frozen=True)
class Recipe:
    """Every setting that training's result depends on."""

    input_size: int
    batch_size: int
    head_epochs: int
    epochs: int
    learning_rate_head_stage: float
    learning_rate_head: float
    learning_rate_backbone: float
    optimizer: Literal["adamw", "sgd"]
    weight_decay: float
    momentum: float
    plateau_factor: float
    plateau_patience: int
    patience: int
    checkpoint_every: int
    precision: Literal["float32", "bfloat16"]
    augmentation: Augmentation


@dataclass
class Run:
    """One training run on its way: network, loss, data, and where its files go."""

    model: nn.Module
    architecture: Architecture
    loss: Loss
    recipe: Recipe
    pixels: np.ndarray
    train: Samples
    val: Samples
    device: torch.device
    seed: int
    folder: Path
    batch_size: int
    workers: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    pool: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.dynamics = Dynamics(self.train.ids, self.architecture.classes, self.device)

    def pooled(self, epoch: int) -> Path:
        """Where the checkpoint of an epoch waits until the slots are filled."""
        return self.folder / "pool" / f"{epoch}.safetensors"


def train(run: Run, best: Path, slots: list[Path], table: Path, dynamics: Path) -> None:
    """Train, and write the best weights, the filled slots, the table of epochs and the dynamics.

    Raises:
        UserError: a loss is NaN or infinite; the epoch is named.
        UserError: fewer epochs were pooled than there are slots.
    """
    shutil.rmtree(run.folder / "pool", ignore_errors=True)
    run.model.to(run.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    lowest = float("inf")
    for stage, epochs in (("head", run.recipe.head_epochs), ("full", run.recipe.epochs)):
        lowest = _stage(run, stage, epochs, lowest, best)
    last = len(run.history)
    if last not in run.pool:
        _save(run, run.pooled(last))
        run.pool[last] = run.history[-1]["train_loss"]
    for epoch, slot in zip(choose_slots(run.pool, len(slots)), slots, strict=True):
        slot.parent.mkdir(parents=True, exist_ok=True)
        run.pooled(epoch).replace(slot)
    shutil.rmtree(run.folder / "pool")
    run.dynamics.save(dynamics)
    write_parquet(pd.DataFrame(run.history), table)


def _stage(run: Run, stage: str, epochs: int, lowest: float, best: Path) -> float:
    """Run one stage; return the lowest validation loss so far, whose weights are in `best`."""
    if epochs == 0:
        return lowest
    optimizer = _optimizer(run, stage)
    scheduler = ReduceLROnPlateau(
        optimizer, factor=run.recipe.plateau_factor, patience=run.recipe.plateau_patience
    )
    waited, sampler = 0, EpochSampler(len(run.train), run.seed)
    loader = _loader(run, sampler)
    for _ in range(epochs):
        sampler.epoch = len(run.history) + 1
        row = _epoch(run, stage, optimizer, loader)
        scheduler.step(row["val_loss"])
        waited += 1
        if row["val_loss"] < lowest:
            lowest, waited = row["val_loss"], 0
            _save(run, best)
        if is_pooled(row["epoch"], run.recipe.checkpoint_every):
            _save(run, run.pooled(row["epoch"]))
            run.pool[row["epoch"]] = row["train_loss"]
        if stage == "full" and waited >= run.recipe.patience:
            print(f"early stop: no better validation loss for {waited} epochs")
            break
    return lowest


def _loader(run: Run, sampler: EpochSampler) -> DataLoader[Any]:
    images = TrainingImages(
        run.pixels, run.train.ids, run.train.labels, run.recipe.augmentation, run.recipe.input_size
    )
    return DataLoader(
        images,
        batch_size=run.recipe.batch_size,
        sampler=sampler,
        num_workers=run.workers,
        pin_memory=run.device.type == "cuda",
        # A last batch of one sample would stop batch normalisation.
        drop_last=len(run.train) % run.recipe.batch_size == 1,
    )


def _optimizer(run: Run, stage: str) -> torch.optim.Optimizer:
    recipe = run.recipe
    head = list(run.model.fc.parameters())  # type: ignore[union-attr]
    backbone = [p for name, p in run.model.named_parameters() if not name.startswith("fc.")]
    for parameter in backbone:
        parameter.requires_grad_(stage == "full")
    rate = recipe.learning_rate_head_stage if stage == "head" else recipe.learning_rate_head
    groups: list[dict[str, Any]] = [{"params": head, "lr": rate}]
    if stage == "full":
        groups.append({"params": backbone, "lr": recipe.learning_rate_backbone})
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(groups, momentum=recipe.momentum, weight_decay=recipe.weight_decay)
    return torch.optim.AdamW(groups, weight_decay=recipe.weight_decay)


def _training_pass(
    run: Run, bar: str, optimizer: torch.optim.Optimizer, loader: DataLoader[Any]
) -> float:
    """Take a step per batch; the mean loss of the samples seen."""
    run.dynamics.start_epoch()
    seen, total = 0, 0.0
    # Kept on the device: asking for a number in every batch would wait for the GPU each time.
    sums: list[Tensor] = []
    for number, (images, labels, rows) in enumerate(tqdm(loader, desc=bar, unit="batch"), 1):
        labels = labels.to(run.device, non_blocking=True)
        batch = normalise(images.to(run.device, non_blocking=True))
        with torch.autocast(
            run.device.type, torch.bfloat16, enabled=run.recipe.precision == "bfloat16"
        ):
            logits = run.model(batch).float()
        losses = run.loss.per_sample(logits, labels)
        optimizer.zero_grad(set_to_none=True)
        losses.mean().backward()
        optimizer.step()
        run.dynamics.record(rows.to(run.device), logits, labels)
        sums.append(losses.detach().sum())
        seen += len(labels)
        if len(sums) == CHECKED or number == len(loader):
            total += _checked_sum(run, sums, f"{bar}, batch", number - len(sums))
            sums = []
    return total / seen


def _checked_sum(run: Run, sums: list[Tensor], where: str, before: int) -> float:
    """The sum of some batches' losses; `before` is the number of batches before them."""
    values = torch.stack(sums).double().cpu()
    if not torch.isfinite(values).all():
        first = int(torch.nonzero(~torch.isfinite(values))[0])
        raise UserError(
            f"Training diverged in {where} {before + first + 1}: the loss is {values[first]}. "
            f"Lower train.learning_rate_*, or set train.precision to float32. {_kept(run)}"
        )
    return float(values.sum())


def _kept(run: Run) -> str:
    """What is left of a training that stopped by itself."""
    last = len(run.history)
    return f"The state after epoch {last} is kept in {run.folder}." if last else "Nothing was kept."


def _epoch(
    run: Run, stage: str, optimizer: torch.optim.Optimizer, loader: DataLoader[Any]
) -> dict[str, Any]:
    """One pass over the training images and one over the validation images: a history row."""
    epoch, start = len(run.history) + 1, time.perf_counter()
    run.model.train(stage == "full")
    train_loss = _training_pass(run, f"epoch {epoch} ({stage})", optimizer, loader)
    train_accuracy = run.dynamics.accuracy(torch.from_numpy(run.train.labels).to(run.device))
    seconds = time.perf_counter() - start
    validation = evaluate(
        run.model, run.loss, run.pixels, run.val, run.recipe.input_size, run.batch_size, run.device
    )
    row = {
        "stage": stage,
        "epoch": epoch,
        "train_loss": train_loss,
        "val_loss": validation[0],
        "train_accuracy": train_accuracy,
        "val_accuracy": validation[1],
        "learning_rate_head": optimizer.param_groups[0]["lr"],
        "learning_rate_backbone": optimizer.param_groups[1]["lr"] if stage == "full" else 0.0,
        "seconds": seconds,
        "images_per_second": len(run.train) / seconds,
    }
    _record(run, row)
    return row


def _record(run: Run, row: dict[str, Any]) -> None:
    """Append an epoch to the history, or stop if its validation loss is not finite."""
    if not np.isfinite(row["val_loss"]):
        raise UserError(
            f"Training diverged in epoch {row['epoch']}: the validation loss is {row['val_loss']}. "
            f"Lower train.learning_rate_*, or set train.precision to float32. {_kept(run)}"
        )
    run.history.append(row)
    print({k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()})


def _save(run: Run, path: Path) -> None:
    row = run.history[-1]
    checkpoint = Checkpoint(
        architecture=run.architecture,
        loss=run.loss,
        input_size=run.recipe.input_size,
        epoch=row["epoch"],
        learning_rate_head=row["learning_rate_head"],
        learning_rate_backbone=row["learning_rate_backbone"],
        train_loss=row["train_loss"],
    )
    save_checkpoint(run.model, checkpoint, path)
