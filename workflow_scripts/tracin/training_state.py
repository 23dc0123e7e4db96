"""State of an unfinished training on disk, so that a killed job goes on after its last whole epoch.

It lies beside the declared outputs, not among them: Snakemake deletes the outputs of a failed job.
`state.pt` is replaced after each epoch and holds what the next epoch starts from. The weights of
each epoch that may be wanted at the end, for a TracIn slot or as the best, are a file of their own,
written once. A training that stops by itself, because it diverges or fills too few slots, leaves
the state of its last good epoch as a killed one does.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tracin.checkpoints import load_checkpoint
from tracin.files import atomic_path


@dataclass
class Progress:
    """How far a training is."""

    stage: str = ""
    waited: int = 0  # epochs since the best one
    best: int = 0  # epoch of the lowest validation loss
    lowest: float = float("inf")
    history: list[dict[str, Any]] = field(default_factory=list)  # a row per epoch
    pool: dict[int, float] = field(default_factory=dict)  # epoch for a slot -> training loss

    @property
    def wanted(self) -> set[int]:
        """Epochs whose weights may be wanted at the end."""
        return {self.best, *self.pool}


def digest(parts: Iterable[bytes]) -> str:
    """SHA-256 over some bytes and their lengths."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(len(part).to_bytes(8, "little") + part)
    return whole.hexdigest()


def pixels_digest(pixels: np.ndarray, files: Iterable[str]) -> str:
    """What tells decoded images, uint8 [n, H, W, 3], from others, whenever their file was written.

    Not all of what may be 40 GB is read: the digests of the image files that they were decoded
    from, in that order, say which images they are, and a thousand of them how they were decoded.
    """
    chosen = np.unique(np.linspace(0, len(pixels) - 1, 1000).astype(int))
    facts = [str(pixels.shape), str(pixels.dtype), *files]
    return digest([*(fact.encode() for fact in facts), *(pixels[row].tobytes() for row in chosen)])


class StateFolder:
    """The folder of one training's state, bound to all that its result depends on.

    Args:
        fingerprint: a digest for each thing that the result depends on, by its name in the log.
    """

    def __init__(self, folder: Path, fingerprint: Mapping[str, str]) -> None:
        self.folder, self.fingerprint = folder, dict(fingerprint)
        self.file = folder / "state.pt"

    def weights(self, epoch: int) -> Path:
        """Where the weights of an epoch are kept."""
        return self.folder / f"{epoch}.safetensors"

    def read(self) -> tuple[Progress, dict[str, Any]] | None:
        """Progress and the states by name, or None, said in the log, where training starts over."""
        if not self.file.exists():
            return None
        try:
            states = torch.load(self.file, map_location="cpu", weights_only=True)
            progress, made_with = Progress(**states.pop("progress")), states.pop("fingerprint")
            for epoch in progress.wanted:
                load_checkpoint(self.weights(epoch))
        except Exception as error:
            # Whatever is wrong with these files, training can do without them.
            print(f"{self.folder} is damaged ({error}): training starts over")
            return None
        if made_with != self.fingerprint:
            names = dict.fromkeys([*self.fingerprint, *made_with])
            changed = [n for n in names if self.fingerprint.get(n) != made_with.get(n)]
            print(f"{self.file} was made with other {' and '.join(changed)}: training starts over")
            return None
        print(f"goes on after epoch {len(progress.history)}, from {self.file}")
        return progress, states

    def write(self, progress: Progress, states: dict[str, Any]) -> None:
        """Replace the state, then drop the files that it has no use for.

        Raises:
            OSError: the folder can't be written to; the former state is still whole.
        """
        facts = {"progress": vars(progress), "fingerprint": self.fingerprint}
        with atomic_path(self.file) as temporary, temporary.open("wb") as file:
            torch.save(facts | states, file)
            # A rename may reach the disk of a node that loses power before the data do.
            file.flush()
            os.fsync(file.fileno())
        self.tidy(progress.wanted)

    def tidy(self, wanted: Iterable[int] = ()) -> None:
        """Delete all but the state and the weights of the wanted epochs."""
        keep = {self.file, *map(self.weights, wanted)}
        for path in self.folder.glob("*"):
            if path in keep:
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    def remove(self) -> None:
        """Delete the state: first the file without which the others are nothing."""
        self.file.unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)
