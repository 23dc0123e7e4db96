"""Training steps on a CPU: small maps as products and a fused optimizer, against torch's defaults.

`python -m benchmarks.training`: ratio = steps per second in bfloat16 of the workflow's way for
small images / of torch's defaults. And a network per core, against one network on all cores.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import torch
from torch.nn import functional

from benchmarks.measure import Work, interleaved, quiet, report
from tracin.arithmetic import Precision, autocast, side_by_side
from tracin.model import Architecture, build_model
from tracin.small_maps import use_products

CPU, CLASSES = torch.device("cpu"), 10


@dataclass(frozen=True)
class Task:
    """A network, and the side and number of the images of its batches."""

    architecture: Architecture
    size: int
    batch: int

    def __str__(self) -> str:
        return f"{self.architecture.name}, {self.batch} images of {self.size} pixels"


TASKS = (
    Task(Architecture("resnet18", CLASSES, stem="small"), 32, 64),
    Task(Architecture("resnet50", CLASSES), 224, 16),
)


class Steps:
    """A network and its optimizer, which take a step whenever called."""

    def __init__(self, task: Task, precision: Precision, workflow: bool) -> None:
        torch.manual_seed(0)
        self.model, self.precision = build_model(task.architecture).train(), precision
        self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if workflow:
            use_products(self.model)
        fused = True if workflow else None
        self.optimizer = torch.optim.AdamW(self.model.parameters(), 1e-3, fused=fused)
        self.images = torch.randn(task.batch, 3, task.size, task.size)
        self.labels = torch.randint(0, CLASSES, (task.batch,))

    def __call__(self) -> None:
        with autocast(self.precision, CPU):
            logits = self.model(self.images).float()
        self.optimizer.zero_grad()
        functional.cross_entropy(logits, self.labels).backward()
        self.optimizer.step()


def ways(task: Task, precision: Precision, cores: int) -> dict[str, tuple[int, Work]]:
    """Ways to train: how many steps each takes, and what takes them."""
    default, own = (Steps(task, precision, workflow) for workflow in (False, True))
    networks = [Steps(task, precision, True) for _ in range(cores)]

    def each() -> list[None]:
        return list(side_by_side(networks, lambda step: step(), cores))

    return {
        "torch's defaults": (1, default),
        "the workflow's": (1, own),
        "the workflow's, a network per core": (cores, each),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=12)
    options = parser.parse_args()
    rows, found = [], {}
    for task in TASKS:
        for precision in ("float32", "bfloat16"):
            known = ways(task, precision, torch.get_num_threads())
            with quiet():
                best, _ = interleaved(
                    {name: work for name, (_, work) in known.items()}, options.rounds
                )
            rates = {name: known[name][0] / seconds for name, seconds in best.items()}
            found[task, precision] = rates
            for name, rate in rates.items():
                rows.append(
                    {
                        "task": str(task),
                        "precision": precision,
                        "way": name,
                        "steps per second": round(rate, 3),
                        "of the defaults": round(rate / rates["torch's defaults"], 2),
                    }
                )
    small = found[TASKS[0], "bfloat16"]
    ratio = small["the workflow's"] / small["torch's defaults"]
    report("training", rows, ratio=ratio)


if __name__ == "__main__":
    main()
