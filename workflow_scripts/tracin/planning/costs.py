"""What each job of a plan takes, from the settings, the number of images and rates of work.

Only what grows with the data or the network is counted: every other rule takes as long as a job
takes to start. Training is counted with all its epochs, and tiles without pruning.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tracin.label_errors.neighbours import LEAST
from tracin.label_errors.probe import DIRECTIONS, PARTS
from tracin.planning.network import Network
from tracin.planning.plan import Job
from tracin.planning.rates import Rates
from tracin.settings import judges, training
from tracin.slots import is_pooled

FLOAT = 4
LISTED = 10  # bytes of a row of a Parquet list, compressed
LISTED_TEXT = 110  # the same as CSV, with paths
LISTED_FRAME = 300  # the same in memory, as a pandas frame that is being written
SUSPECT = 3300  # bytes of a training image's signals and lists, in memory
MOST_NEIGHBOURS = 2**30  # scikit-learn's working memory
PROBE_STEPS = 250  # of a fit, at most, two products each
READING = 40  # columns of a product that take as long as to read its rows
LIBRARIES = 2e8  # scikit-learn, SciPy and cleanlab once they are loaded
COMPILER = 7e7  # torch's, which its optimizers load


def _usable_cores() -> int:
    """Cores that this process may use; macOS can only say how many there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True)
class Data:
    """How many images each split has, and of how many classes."""

    splits: Mapping[str, int]
    classes: int

    @property
    def images(self) -> int:
        return sum(self.splits.values())


@dataclass(frozen=True)
class Cost:
    """What a job takes beside its start; bytes."""

    seconds: float = 0.0
    disk: float = 0.0  # of what it leaves
    host: float = 0.0  # memory of the process
    device: float = 0.0  # memory where the network is: the GPU's, or the process's too
    scratch: float = 0.0  # disk that it holds until it ends


class Costs:
    """The costs of jobs under some settings."""

    def __init__(
        self, settings: Mapping[str, Any], data: Data, network: Network, rates: Rates
    ) -> None:
        self.settings, self.data, self.network, self.rates = settings, data, network, rates
        self.shard = (network.width * FLOAT) // (
            2 if settings["influence"]["shard_dtype"] == "float16" else 1
        )
        self.factors = network.features + 1 + data.classes
        # Pairs of a tile are of all that shards hold, those of the other rules of the head's part.
        self.head_pairs = rates["pairs"] * network.width / self.factors
        self.rules: dict[str, Callable[[Mapping[str, str]], Cost]] = {
            "ingest": self.ingest,
            "train": self.train,
            "predict": self.predict,
            "views": self.views,
            "gradients": self.gradients,
            "self_influence": self.self_influence,
            "tile": self.tile,
            "merge": self.merge,
            "topk": self.topk,
            "votes": self.votes,
            "signals": self.signals,
            "suspects": self.suspects,
            "neighbours": self.neighbours,
            # A picture's hash takes about as long as an augmented view of it.
            "near_duplicates": lambda _: Cost(data.images / rates["augment"], host=LIBRARIES),
        }

    def of(self, job: Job) -> Cost:
        """The cost of a job."""
        if job.rule == "tile" and (job.gpus or self.network.width > self.factors):
            return self.dense_tile(job.wildcards)
        return self.rules[job.rule](job.wildcards) if job.rule in self.rules else Cost()

    def _block(self, split: str, blocks: int) -> int:
        """Images of the largest block of a split."""
        return -(-self.data.splits[split] // blocks)

    def _forward(self, images: int) -> float:
        """Memory of a forward pass over so many images, its network included."""
        batch = min(images, self.settings["compute"]["batch_size"])
        return 2 * self.network.weights + batch * self.network.passing

    def ingest(self, wildcards: Mapping[str, str]) -> Cost:
        stored = 3 * self.settings["dataset"]["stored_size"] ** 2
        cores = min(4, _usable_cores())
        return Cost(
            seconds=self.data.images / self.rates["decode"] / cores,
            disk=self.data.images * stored,
            host=2 * min(self.data.images, 4096) * stored,
        )

    def train(self, wildcards: Mapping[str, str]) -> Cost:
        train = training(self.settings, wildcards["labels"])
        folds = self.settings["label_errors"]["folds"]
        images, val = self.data.splits["train"], self.data.splits["val"]
        if "fold" in wildcards["labels"]:
            images = images * (folds - 1) // folds
        head, epochs = train["head_epochs"], train["head_epochs"] + train["epochs"]
        full = images / self.rates["train"]
        # The head's stage takes no backward pass through the network.
        frozen = images / self.rates["forward"] + images / self.rates["augment"]
        validation = epochs * val / self.rates["forward"]
        moments = 2 if train["optimizer"] == "adamw" else 1
        kept = self.network.kept // (2 if train["precision"] == "bfloat16" else 1)
        dynamics = images * (10 * epochs + FLOAT * (self.data.classes + 2))
        pool = sum(is_pooled(epoch, train["checkpoint_every"]) for epoch in range(1, epochs + 1))
        return Cost(
            seconds=head * min(frozen, full) + train["epochs"] * full + validation,
            disk=(self.settings["influence"]["checkpoints"] + 1) * self.network.weights + dynamics,
            host=COMPILER,
            device=max(
                # Gradients, and two copies on the way to a checkpoint's file.
                (4 + moments) * self.network.weights + min(train["batch_size"], images) * kept,
                self._forward(val) + moments * self.network.weights,
            )
            + dynamics,
            scratch=(1 + moments + pool + 1) * self.network.weights + dynamics,
        )

    def predict(self, wildcards: Mapping[str, str]) -> Cost:
        probabilities = self.data.images * self.data.classes * FLOAT
        return Cost(
            seconds=self.data.images / self.rates["forward"],
            disk=probabilities + 20 * self.data.images,
            host=3 * probabilities,
            device=self._forward(self.data.images),
        )

    def views(self, wildcards: Mapping[str, str]) -> Cost:
        images = self.data.splits["train"] + self.data.splits["val"]
        still = 1 + self.settings["train"]["augmentation"]["horizontal_flip"]
        moved = self.settings["label_errors"]["random_views"]
        features = self.network.features * FLOAT
        # The still views once more through an earlier checkpoint.
        passes = (2 * still + moved) / self.rates["forward"] + moved / self.rates["augment"]
        return Cost(
            seconds=images * passes,
            disk=images * (2 * self.data.classes * FLOAT + features / 2),
            # Features and what is written of them; probabilities of the plain view and of all.
            host=images * (2 * features + 4 * self.data.classes * FLOAT),
            device=self._forward(images) + self.network.weights,
        )

    def gradients(self, wildcards: Mapping[str, str]) -> Cost:
        split = wildcards["split"]
        images = self._block(split, self.settings["influence"]["shards"][split])
        whole = images * self.network.width * FLOAT
        return Cost(
            seconds=images / self.rates["gradients"],
            disk=images * self.shard,
            host=2 * whole,
            device=self._forward(images) + whole,
        )

    def self_influence(self, wildcards: Mapping[str, str]) -> Cost:
        block = self._block("train", self.settings["influence"]["shards"]["train"])
        return Cost(host=3 * block * self.network.width * FLOAT)

    def tile(self, wildcards: Mapping[str, str]) -> Cost:
        influence, reader = self.settings["influence"], wildcards["reader"]
        rows, columns = self._tile(reader)
        both = (rows + columns) * self.network.width * FLOAT
        return Cost(
            seconds=rows * columns * influence["checkpoints"] / self.rates["pairs"],
            disk=LISTED * rows * 2 * self._listed(reader, columns),
            host=influence["checkpoints"] * both,
            device=4 * min(rows, 2048) * columns * FLOAT,
        )

    def dense_tile(self, wildcards: Mapping[str, str]) -> Cost:
        """A tile on a GPU, or with sketches: all its scores at once, and not all its slots."""
        rows, columns = self._tile(wildcards["reader"])
        both = (rows + columns) * self.network.width * FLOAT
        # The scores and two products of a slot; this slot, one that is ready, and one on its way.
        return replace(
            self.tile(wildcards), host=2 * both, device=3 * rows * columns * FLOAT + 3 * both
        )

    def _tile(self, reader: str) -> tuple[int, int]:
        """Test (or training) and training images of a tile, at most."""
        tiles = self.settings["influence"]["tiles"]
        return self._block(reader, tiles[reader]), self._block("train", tiles["train"])

    def _listed(self, reader: str, columns: int) -> int:
        """Length of the lists of an image among so many."""
        wanted = self.settings["influence"]["top_k"]
        if reader == "train":
            wanted = self.settings["label_errors"]["opponents"]
        return min(wanted, columns)

    def merge(self, wildcards: Mapping[str, str]) -> Cost:
        tiles, reader = self.settings["influence"]["tiles"], wildcards["reader"]
        columns = self._block("train", tiles["train"])
        rows = self._block(reader, tiles[reader]) * 2 * self._listed(reader, columns)
        # Tables are merged one by one into the first.
        return Cost(host=min(2, tiles["train"]) * rows * LISTED_FRAME)

    def topk(self, wildcards: Mapping[str, str]) -> Cost:
        rows = self.data.splits["test"] * 2 * self._listed("test", self.data.splits["train"])
        return Cost(disk=rows * (LISTED + 12 + LISTED_TEXT), host=rows * LISTED_FRAME)

    def signals(self, wildcards: Mapping[str, str]) -> Cost:
        images, classes = self.data.splits["train"], self.data.classes
        width = min(DIRECTIONS, self.network.features)
        steps = 2 * PARTS * PROBE_STEPS  # the probe is fitted twice
        products = images * (classes + READING) * steps * 2 * width / self.factors
        others = self.settings["label_errors"]["folds"] + judges(self.settings)
        # Those of each network, all in one, a copy, and what each fit takes; then the votes.
        features = (3 * others + 5 + 2 * PARTS) * images * width * FLOAT
        features += 9 * images * classes * FLOAT
        return Cost(
            seconds=products / self.head_pairs,
            disk=images * (FLOAT * classes + 500),
            # Gradients of the final layer: a slot, its shards and the next slot's.
            host=LIBRARIES + max(features, 3 * images * self.factors * FLOAT),
        )

    def suspects(self, wildcards: Mapping[str, str]) -> Cost:
        images = self.data.splits["train"]
        return Cost(host=LIBRARIES + images * (SUSPECT + 18 * self.data.classes * FLOAT))

    def votes(self, wildcards: Mapping[str, str]) -> Cost:
        images, width = self.data.splits["train"], self.network.features
        directions = min(DIRECTIONS, width)
        return Cost(
            # Products for the principal directions, and for the coordinates along them.
            seconds=images * (width + directions) / self.head_pairs,
            disk=images * FLOAT * (self.data.classes + directions + 3),
            host=LIBRARIES + 4 * images * width * FLOAT,
        )

    def neighbours(self, wildcards: Mapping[str, str]) -> Cost:
        images, listed = self.data.splits["train"], self.settings["label_errors"]["neighbours"]
        features = images * self.network.features * FLOAT
        found = min(images**2 * 2 * FLOAT, MOST_NEIGHBOURS)
        return Cost(
            seconds=images**2 / self.head_pairs,
            disk=images * (max(LEAST, listed) * 3 * FLOAT + 8),
            host=LIBRARIES + 4 * features + found,
        )
