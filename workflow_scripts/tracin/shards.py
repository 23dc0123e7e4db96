"""Gradients on disk: shards of samples, read back in the blocks that a tile needs.

A float16 shard keeps each row divided by its largest entry, and that entry as a float32 `scale`:
tiny errors of images that the network is sure of would fall below float16's range otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from tracin.arithmetic import ahead, copied_ahead, send
from tracin.errors import UserError
from tracin.files import atomic_path
from tracin.samples import block_rows
from tracin.tensors import readable

SKETCH = "sketch_"


@dataclass
class Sketches:
    """Sketched gradients of some layers, and the learning rate that weighs their part."""

    values: Tensor  # float32 [n, width]
    learning_rate: float


@dataclass
class Factors:
    """Gradients of n samples at one checkpoint."""

    sample_id: Tensor  # int64 [n]
    activations: Tensor  # float32 [n, d + 1], the last column ones: the bias
    errors: Tensor  # float32 [n, classes], d loss / d logits
    sketches: dict[str, Sketches] = field(default_factory=dict)  # by part: head, backbone


Slot = tuple[Factors, float]


Pair = tuple[Slot, Slot]


def on_device(test: Iterable[Slot], train: Iterable[Slot], device: torch.device) -> Iterator[Pair]:
    """Slots of both sides in turn with all tensors but the ids on `device`.

    A GPU copies the next ones meanwhile. It gets activations with columns of zeros up to a multiple
    of eight, which change no product: its tensor cores want rows that start at 16 bytes.
    """
    pairs = zip(test, train, strict=True)
    if device.type == "cuda":
        return copied_ahead(pairs, lambda pair: _moved(pair, device), device)
    return (_moved(pair, device)[0] for pair in pairs)


def _moved(pair: Pair, device: torch.device) -> tuple[Pair, list[Tensor]]:
    """The pair on the device, and its tensors there."""
    tensors: list[Tensor] = []

    def move(tensor: Tensor, multiple: int = 1) -> Tensor:
        there = send(tensor, device)
        if device.type == "cuda" and (more := -tensor.shape[1] % multiple):
            there = functional.pad(there, (0, more))
        tensors.append(there)
        return there

    def side(factors: Factors) -> Factors:
        return Factors(
            factors.sample_id,
            move(factors.activations, 8),
            move(factors.errors),
            {part: replace(s, values=move(s.values)) for part, s in factors.sketches.items()},
        )

    (test, rate), (train, other) = pair
    return ((side(test), rate), (side(train), other)), tensors


def only_rows(factors: Factors, rows: slice) -> Factors:
    """Some rows of the factors."""
    return Factors(
        factors.sample_id[rows],
        factors.activations[rows],
        factors.errors[rows],
        {p: replace(s, values=s.values[rows]) for p, s in factors.sketches.items()},
    )


def save_shard(
    factors: Factors,
    rows: slice,
    total: int,
    learning_rate: float,
    path: Path | str,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Write one block: rows `rows` of the `total` samples of its split, in float32 or float16."""
    named = {"activations": factors.activations, "errors": factors.errors}
    rates = {"learning_rate": learning_rate}
    for part, sketches in factors.sketches.items():
        named[SKETCH + part] = sketches.values
        rates[f"learning_rate_{part}"] = sketches.learning_rate
    tensors = {"sample_id": factors.sample_id}
    for name, tensor in named.items():
        if dtype == torch.float16:
            largest = tensor.abs().amax(dim=1)
            scale = torch.where(largest > 0, largest, 1.0)
            tensors[f"{name}.scale"] = scale
            tensor = tensor / scale[:, None]
        tensors[name] = tensor.to(dtype).contiguous()
    metadata = {"start": str(rows.start), "total": str(total)}
    metadata |= {name: repr(rate) for name, rate in rates.items()}
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, metadata=metadata)


def _read(file: Any, name: str, rows: slice) -> Tensor:
    """Rows of a tensor as float32 [rows, width], copied out of the memory map."""
    tensor: Tensor = file.get_slice(name)[rows]
    if f"{name}.scale" in file.keys():  # noqa: SIM118
        scale: Tensor = file.get_slice(f"{name}.scale")[rows]
        return tensor.float().mul_(scale[:, None])
    return tensor


def read_factors(
    shards: Sequence[Path | str], block: int = 0, blocks: int = 1, *, sketches: bool = True
) -> Slot:
    """Rows of one tile block out of the shards of one checkpoint and split, and the learning rate.

    Shards are cut independently of tiles; only the rows that overlap are read, and without
    `sketches` only the head's part, a thirtieth of ResNet-50's.

    Raises:
        UserError: there are fewer rows than blocks.
        UserError: the shards do not cover every row of the block exactly once, or disagree.
    """
    with ExitStack() as stack:
        files = [_open(path, stack) for path in shards]
        facts = [file.metadata() for file in files]
        if len({tuple(sorted((fact | {"start": ""}).items())) for fact in facts}) != 1:
            raise UserError(
                f"{list(shards)} are of different runs. Run again with --forcerun gradients."
            )
        rows = _block(facts[0], block, blocks)
        names = [n for n in files[0].keys() if not n.endswith(".scale")]  # noqa: SIM118
        names = [n for n in names if sketches or not n.startswith(SKETCH)]
        parts = [
            {name: _read(files[i], name, wanted) for name in names}
            for i, wanted in _overlaps(shards, files, rows)
        ]
    return _join(parts, facts[0]), float(facts[0]["learning_rate"])


def _block(facts: dict[str, str], block: int, blocks: int) -> slice:
    """Rows of a tile's block, by a shard's metadata."""
    rows = block_rows(int(facts["total"]), block, blocks)
    if rows.start == rows.stop:
        raise UserError(
            f"There are {blocks} tiles for {facts['total']} images: copies and what is "
            "rejected or removed don't count. Lower influence.tiles."
        )
    return rows


def _overlaps(
    shards: Sequence[Path | str], files: Sequence[Any], rows: slice
) -> Iterator[tuple[int, slice]]:
    """Which shards hold the rows, in their order, and which of a shard's rows those are."""
    starts = [int(file.metadata()["start"]) for file in files]
    position = rows.start
    for i in sorted(range(len(files)), key=lambda i: starts[i]):
        length = files[i].get_slice("sample_id").get_shape()[0]
        low, high = max(rows.start, starts[i]), min(rows.stop, starts[i] + length)
        if low >= high:
            continue
        if low != position:
            raise UserError(
                f"{shards[i]} does not continue the rows before it. Run again with "
                "--forcerun gradients."
            )
        yield i, slice(low - starts[i], high - starts[i])
        position = high
    if position != rows.stop:
        raise UserError(
            f"{list(shards)} lack rows {position} to {rows.stop}. Run again with "
            "--forcerun gradients."
        )


def _open(path: Path | str, stack: ExitStack) -> Any:
    """A shard, open until the stack is left."""
    with readable(path):
        return stack.enter_context(safe_open(path, framework="pt"))


def _join(parts: list[dict[str, Tensor]], facts: dict[str, str]) -> Factors:
    """The rows of several shards one below the other."""
    joined = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    rates = {
        name.removeprefix(SKETCH): float(facts[f"learning_rate_{name.removeprefix(SKETCH)}"])
        for name in joined
        if name.startswith(SKETCH)
    }
    sketches = {part: Sketches(joined.pop(SKETCH + part), rate) for part, rate in rates.items()}
    return Factors(**joined, sketches=sketches)


class Slots:
    """The factors of each checkpoint in turn, as often as asked for.

    One slot is in memory while it is worked on, and the next one on its way.
    """

    def __init__(
        self, slots: Sequence[Sequence[Path | str]], block: int, blocks: int, sketches: bool
    ) -> None:
        self.slots, self.block, self.blocks, self.sketches = slots, block, blocks, sketches

    def __iter__(self) -> Iterator[Slot]:
        return ahead(self.slots, self._read)

    @property
    def samples(self) -> int:
        """How many the block holds, as the shards' metadata say: nothing else is read."""
        with ExitStack() as stack:
            rows = _block(_open(self.slots[0][0], stack).metadata(), self.block, self.blocks)
        return rows.stop - rows.start

    def _read(self, shards: Sequence[Path | str]) -> Slot:
        return read_factors(shards, self.block, self.blocks, sketches=self.sketches)


def samples_of(slots: Iterable[Slot]) -> int:
    """How many samples each slot holds; a slot is read for it only if nothing else tells."""
    known = getattr(slots, "samples", None)
    return len(next(iter(slots))[0].sample_id) if known is None else known


def by_slot(
    slots: Sequence[Sequence[Path | str]],
    block: int = 0,
    blocks: int = 1,
    *,
    sketches: bool = True,
) -> Slots:
    """`read_factors` for each slot in turn."""
    return Slots(slots, block, blocks, sketches)
