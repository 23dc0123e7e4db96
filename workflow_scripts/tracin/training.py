"""Two-stage fine-tuning: the head alone, then everything."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, ReduceLROnPlateau
from torch.utils.data import DataLoader
from tqdm import tqdm

from tracin.checkpoints import Checkpoint, save_checkpoint
from tracin.errors import UserError
from tracin.files import atomic_path, write_parquet
from tracin.images import EpochSampler, TrainingImages, collate, normalise, start_method
from tracin.inference import evaluate
from tracin.recipe import Run
from tracin.slots import choose_slots, is_pooled
from tracin.small_maps import use_products
from tracin.training_state import StateFolder

# Batches after which their losses are looked at.
CHECKED = 100


def train(run: Run, best: Path, slots: list[Path], table: Path, dynamics: Path) -> None:
    """Train, and write the best weights, the filled slots, the table of epochs and the dynamics.

    Goes on from the state in `run.folder` if a killed training of the same fingerprint left one.

    Raises:
        UserError: a loss is NaN or infinite; the epoch is named.
        UserError: fewer epochs were pooled than there are slots, or there is one image only.
    """
    if len(run.train) < 2:
        raise UserError(
            "Training needs two images at least, for batch normalisation. Keep more of them in the "
            "training split."
        )
    saved = StateFolder(run.folder, run.fingerprint())
    _place(run)
    states: dict[str, Any] = {}
    if found := saved.read():
        run.progress, states = found
        run.model.load_state_dict(states.pop("model"))
        run.dynamics.load_state_dict(states.pop("dynamics"))
    saved.tidy(run.progress.wanted)
    for stage, epochs in (("head", run.recipe.head_epochs), ("full", run.recipe.epochs)):
        _stage(run, stage, epochs, saved, states if run.progress.stage == stage else {})
    _finish(run, saved, best, slots)
    run.dynamics.save(dynamics)
    write_parquet(pd.DataFrame(run.progress.history), table)
    saved.remove()


def _place(run: Run) -> None:
    """Bring the network to its device, laid out as the kernels there take it soonest."""
    run.model.to(run.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if run.device.type == "cpu":
        use_products(run.model)


def _finish(run: Run, saved: StateFolder, best: Path, slots: list[Path]) -> None:
    """Write the best weights and the slots; copies, since a killed job's outputs are deleted."""
    progress = run.progress
    last = len(progress.history)
    if last not in progress.wanted:
        _save(run, saved.weights(last))
    pool = progress.pool | {last: progress.history[-1]["train_loss"]}
    chosen = zip(choose_slots(pool, len(slots)), slots, strict=True)
    for epoch, path in [(progress.best, best), *chosen]:
        with atomic_path(path) as temporary:
            shutil.copyfile(saved.weights(epoch), temporary)


def _stage(run: Run, stage: str, epochs: int, saved: StateFolder, states: dict[str, Any]) -> None:
    """Run one stage, or the rest of it where `states` holds the optimizer's on its way."""
    progress, recipe = run.progress, run.recipe
    last = epochs + (recipe.head_epochs if stage == "full" else 0)
    if len(progress.history) >= last:
        return
    optimizer = _optimizer(run, stage)
    scheduler = _scheduler(run, optimizer, epochs)
    if states:
        optimizer.load_state_dict(states.pop("optimizer"))
        scheduler.load_state_dict(states.pop("scheduler"))
    else:
        progress.stage, progress.waited = stage, 0
    sampler = EpochSampler(len(run.train), run.seed)
    loader = _loader(run, sampler)
    while len(progress.history) < last:
        if stage == "full" and progress.waited >= recipe.patience:
            print(f"early stop: no better validation loss for {progress.waited} epochs")
            break
        sampler.epoch = len(progress.history) + 1
        row = _epoch(run, stage, optimizer, loader)
        if isinstance(scheduler, ReduceLROnPlateau):
            scheduler.step(row["val_loss"])
        else:
            scheduler.step()
        _note(run, row, saved)
        trainers = {"optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict()}
        learned = {"model": run.model.state_dict(), "dynamics": run.dynamics.state_dict()}
        saved.write(progress, trainers | learned)


def _note(run: Run, row: dict[str, Any], saved: StateFolder) -> None:
    """Take an epoch into the progress, and keep its weights if they may be wanted."""
    progress, epoch = run.progress, row["epoch"]
    progress.waited += 1
    if row["val_loss"] < progress.lowest:
        progress.lowest, progress.waited, progress.best = row["val_loss"], 0, epoch
    if is_pooled(epoch, run.recipe.checkpoint_every):
        progress.pool[epoch] = row["train_loss"]
    if epoch in progress.wanted:
        _save(run, saved.weights(epoch))


def _loader(run: Run, sampler: EpochSampler) -> DataLoader[Any]:
    images = TrainingImages(
        run.pixels, run.train.ids, run.train.labels, run.recipe.augmentation, run.recipe.input_size
    )
    return DataLoader(
        images,
        batch_size=run.recipe.batch_size,
        sampler=sampler,
        num_workers=run.workers,
        multiprocessing_context=start_method(run.workers),
        # Workers that are started once per stage; a new set in every epoch costs seconds.
        persistent_workers=run.workers > 0,
        collate_fn=collate,
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
        return torch.optim.SGD(
            groups, momentum=recipe.momentum, weight_decay=recipe.weight_decay, fused=True
        )
    return torch.optim.AdamW(groups, weight_decay=recipe.weight_decay, fused=True)


def _scheduler(run: Run, optimizer: torch.optim.Optimizer, epochs: int) -> LRScheduler:
    """How the learning rates of a stage fall from epoch to epoch."""
    recipe = run.recipe
    if recipe.schedule == "cosine":
        return CosineAnnealingLR(optimizer, epochs)
    # Any lower loss is a better one, as for early stopping.
    return ReduceLROnPlateau(
        optimizer,
        factor=recipe.plateau_factor,
        patience=recipe.plateau_patience,
        threshold=0.0,
        eps=0.0,
    )


def trial_pass(run: Run) -> None:
    """One pass of the second stage over the training images, to see how long it takes."""
    _place(run)
    run.model.train()
    loader = _loader(run, EpochSampler(len(run.train), run.seed))
    _training_pass(run, "trial", _optimizer(run, "full"), loader)


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
        run.dynamics.record(rows.to(run.device, non_blocking=True), logits, labels)
        sums.append(losses.detach().sum())
        seen += len(labels)
        if len(sums) == CHECKED or number == len(loader):
            total += _checked_sum(run, sums, f"{bar}, batch", number - len(sums))
            sums = []
    return total / seen


def _checked_sum(run: Run, sums: list[Tensor], where: str, before: int) -> float:
    """The sum of some batches' losses; `before` is the number of batches before them."""
    values = torch.stack(sums).cpu().double()
    if not torch.isfinite(values).all():
        first = int(torch.nonzero(~torch.isfinite(values))[0])
        raise UserError(
            f"Training diverged in {where} {before + first + 1}: the loss is {values[first]}. "
            f"Lower train.learning_rate_*, or set train.precision to float32. {_kept(run)}"
        )
    return float(values.sum())


def _check_weights(run: Run) -> None:
    """Look for weights that are no numbers: the losses may be, whatever a broken kernel wrote."""
    state = run.model.state_dict()
    finite = torch.stack([torch.isfinite(tensor).all() for tensor in state.values()]).tolist()
    broken = [name for name, whole in zip(state, finite, strict=True) if not whole]
    if broken:
        raise UserError(
            f"Training diverged in epoch {len(run.progress.history) + 1}: NaN or infinity in "
            f"{broken[:3]}. Lower train.learning_rate_*, or set train.precision to float32. "
            f"{_kept(run)}"
        )


def _kept(run: Run) -> str:
    """What is left of a training that stopped by itself."""
    last = len(run.progress.history)
    return f"The state after epoch {last} is kept in {run.folder}." if last else "Nothing was kept."


def _epoch(
    run: Run, stage: str, optimizer: torch.optim.Optimizer, loader: DataLoader[Any]
) -> dict[str, Any]:
    """One pass over the training images and one over the validation images: a history row."""
    epoch, start = len(run.progress.history) + 1, time.perf_counter()
    # What draws from torch's generators is a function of seed and epoch: none needs to be saved.
    torch.manual_seed(int(np.random.SeedSequence([run.seed, epoch]).generate_state(1)[0]))
    run.model.train(stage == "full")
    train_loss = _training_pass(run, f"epoch {epoch} ({stage})", optimizer, loader)
    _check_weights(run)
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
    run.progress.history.append(row)
    print({k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()})


def _save(run: Run, path: Path) -> None:
    row = run.progress.history[-1]
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
