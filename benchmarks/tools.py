"""Other public tools on the task of `against_captum`: the same network, images and checkpoints."""

from __future__ import annotations

import multiprocessing
import queue
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from tracin.checkpoints import load_checkpoint
from tracin.images import normalise, read_batch


@dataclass
class Task:
    """Images, the first `train` of them training images, and checkpoints of one network."""

    paths: list[Path]
    pixels: np.ndarray
    labels: np.ndarray
    train: int

    @property
    def ids(self) -> np.ndarray:
        return np.arange(len(self.pixels))

    def tensors(self, rows: slice) -> tuple[Tensor, Tensor]:
        """Images as the network takes them, and labels."""
        images = normalise(read_batch(self.pixels, self.ids[rows], self.pixels.shape[1]))
        return images, torch.from_numpy(self.labels[rows])

    @property
    def training(self) -> TensorDataset:
        return TensorDataset(*self.tensors(slice(0, self.train)))

    @property
    def test(self) -> TensorDataset:
        return TensorDataset(*self.tensors(slice(self.train, None)))

    @property
    def model(self) -> nn.Module:
        return load_checkpoint(self.paths[0])[0]


def load(model: nn.Module, path: Path) -> float:
    """Load a checkpoint into a model; its learning rate."""
    model.load_state_dict(load_file(path))
    model.eval()
    return 1e-3


def captum(task: Task, batch: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Training rows and scores of the k strongest proponents, both [n_test, k]."""
    from captum.influence import TracInCPFast

    model = task.model
    tracin = TracInCPFast(
        model,
        model.fc,
        task.training,
        [str(path) for path in task.paths],
        checkpoints_load_func=load,
        loss_fn=nn.CrossEntropyLoss(reduction="sum"),
        batch_size=batch,
    )
    found = [
        tracin.influence((images, labels), k=k, proponents=True)
        for images, labels in DataLoader(task.test, batch)
    ]
    return (
        np.concatenate([indices.numpy() for indices, _ in found]),
        np.concatenate([scores.detach().numpy() for _, scores in found]),
    )


def dattri(task: Task) -> None:
    """TracIn over the final layer's per-sample gradients, by vmap."""
    from dattri.algorithm.tracin import TracInAttributor
    from dattri.task import AttributionTask

    model = task.model
    model.requires_grad_(True)

    def loss(parameters: dict[str, Tensor], data: tuple[Tensor, Tensor]) -> Tensor:
        image, label = data
        logits = torch.func.functional_call(model, parameters, image[None])
        return nn.functional.cross_entropy(logits, label[None])

    states = [load_file(path) for path in task.paths]
    attribution = AttributionTask(loss_func=loss, model=model, checkpoints=states)
    attributor = TracInAttributor(
        task=attribution,
        weight_list=torch.full((len(states),), 1e-3),
        normalized_grad=False,
        layer_name=["fc.weight", "fc.bias"],
        device="cpu",
    )
    loaders = [DataLoader(part, 100) for part in (task.training, task.test)]
    attributor.attribute(*loaders).topk(20, dim=0)


def trak(task: Task) -> None:
    """TRAK with a projection of 512 rows on the CPU: another estimator, for its cost only."""
    import tempfile

    from trak import TRAKer
    from trak.projectors import BasicProjector

    with tempfile.TemporaryDirectory() as folder:
        model = task.model
        model.requires_grad_(True)
        size = sum(p.numel() for p in model.parameters())
        tracer = TRAKer(
            model=model,
            task="image_classification",
            train_set_size=task.train,
            save_dir=folder,
            device="cpu",
            proj_dim=512,
            projector=BasicProjector(size, 512, 0, "rademacher", torch.device("cpu"), 10),
            use_half_precision=False,
        )
        for number, path in enumerate(task.paths):
            tracer.load_checkpoint(load_file(path), model_id=number)
            for batch in DataLoader(task.training, 20):
                tracer.featurize(batch=batch, num_samples=len(batch[0]))
        tracer.finalize_features()
        for number, path in enumerate(task.paths):
            tracer.start_scoring_checkpoint("test", load_file(path), number, len(task.test))
            for batch in DataLoader(task.test, 20):
                tracer.score(batch=batch, num_samples=len(batch[0]))
        tracer.finalize_scores("test")


def kronfluence(task: Task) -> None:
    """Gradient products of the final layer: kronfluence's `identity` strategy, per checkpoint."""
    import tempfile

    from kronfluence.analyzer import Analyzer, prepare_model
    from kronfluence.arguments import FactorArguments, ScoreArguments
    from kronfluence.task import Task as KronfluenceTask

    class Classification(KronfluenceTask):  # type: ignore[misc]
        def compute_train_loss(self, batch: Any, model: nn.Module, sample: bool = False) -> Tensor:
            return nn.functional.cross_entropy(model(batch[0]), batch[1], reduction="sum")

        def compute_measurement(self, batch: Any, model: nn.Module) -> Tensor:
            return self.compute_train_loss(batch, model)

        def get_influence_tracked_modules(self) -> list[str]:
            return ["fc"]

    with tempfile.TemporaryDirectory() as folder:
        for number, path in enumerate(task.paths):
            model = task.model
            load(model, path)
            classification = Classification()
            model = prepare_model(model, classification)
            analyzer = Analyzer(
                f"slot{number}",
                model,
                classification,
                cpu=True,
                output_dir=folder,
                disable_tqdm=True,
            )
            analyzer.fit_all_factors(
                "identity", task.training, factor_args=FactorArguments(strategy="identity")
            )
            sizes = {f"per_device_{side}_batch_size": 100 for side in ("query", "train")}
            analyzer.compute_pairwise_scores(
                "scores", "identity", task.test, task.training, score_args=ScoreArguments(), **sizes
            )
            analyzer.load_pairwise_scores("scores")["all_modules"].topk(20, dim=1)


OTHERS: dict[str, Callable[[Task], None]] = {
    "dattri TracIn, last layer": dattri,
    "kronfluence, identity, last layer": kronfluence,
    "TRAK, 512 rows, all layers": trak,
}


def attempt(name: str, task: Task, limit: float) -> float | str:
    """Seconds that a tool takes in a process of its own, or why it was skipped."""
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    process = context.Process(target=_run, args=(name, task, torch.get_num_threads(), answers))
    process.start()
    try:
        found: float | str = answers.get(timeout=limit)
    except queue.Empty:
        found = f"skipped: not done after {limit:.0f} s"
    process.kill()
    process.join()
    return found


def _run(name: str, task: Task, threads: int, answers: multiprocessing.Queue) -> None:
    torch.set_num_threads(threads)
    start = time.perf_counter()
    try:
        OTHERS[name](task)
        answers.put(time.perf_counter() - start)
    except Exception as error:
        reason = (str(error).splitlines() or [""])[0][:90]
        answers.put(f"skipped: {type(error).__name__}: {reason}")
