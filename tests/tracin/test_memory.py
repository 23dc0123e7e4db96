"""Running out of memory: smaller batches, the same results, and a line in the log."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from tests.tracin.factors import whole_slots
from tracin import inference, influence
from tracin.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from tracin.gradients import Beyond, extract_factors
from tracin.images import Augmentation, normalise
from tracin.inference import evaluate, predict
from tracin.label_errors.viewing import Viewing, see
from tracin.loss import Loss
from tracin.memory import halving
from tracin.model import Architecture, build_model
from tracin.samples import Samples
from tracin.sketch import Sketcher
from tracin.tiles import tile_table

CPU = torch.device("cpu")
PIXELS = np.random.default_rng(0).integers(0, 256, (9, 12, 12, 3), dtype=np.uint8)
SAMPLES = Samples(np.arange(9), np.arange(9) % 3)
LOSS = Loss((1.0, 1.0, 2.0), 0.1)
VIEWING = Viewing(Augmentation(), random=1, input_size=8, batch_size=8)
FULL = "CUDA out of memory. Tried to allocate 2 MiB."
SAID = f"8 images at once need too much memory ({FULL}): goes on with 4"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    architecture = Architecture("resnet18", classes=3, stem="small")
    path = tmp_path_factory.mktemp("memory") / "0.safetensors"
    facts = Checkpoint(architecture, LOSS, 8, 1, 1e-3, 1e-4, 1.0)
    save_checkpoint(build_model(architecture), facts, path)
    return path


def limited(function: Callable[..., Any], place: int, limit: int) -> Callable[..., Any]:
    """`function`, but memory runs out if its argument at `place` has more rows than `limit`."""

    def call(*arguments: Any) -> Any:
        if len(arguments[place]) > limit:
            raise torch.OutOfMemoryError(f"{FULL}\nIt has 1 GiB.")
        return function(*arguments)

    return call


@pytest.mark.parametrize("where", ["forward", "backward"])
def test_factors_of_a_shard(
    checkpoint: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    where: str,
) -> None:
    arguments = (checkpoint, PIXELS, SAMPLES, 8, CPU, Beyond("all", 4))
    whole, _ = extract_factors(*arguments)
    if where == "forward":
        monkeypatch.setattr(inference, "normalise", limited(normalise, 0, 2))
    else:
        monkeypatch.setattr(Sketcher, "backward", limited(Sketcher.backward, 1, 2))
    parts, _ = extract_factors(*arguments)
    assert SAID in capsys.readouterr().out
    assert torch.equal(parts.sample_id, whole.sample_id)
    for found, expected in (
        (parts.activations, whole.activations),
        (parts.errors, whole.errors),
        (parts.sketches["backbone"].values, whole.sketches["backbone"].values),
    ):
        largest = float(expected.abs().max())
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5 * largest)


def test_predictions_validation_and_views(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model, _ = load_checkpoint(checkpoint)

    def found() -> list[np.ndarray]:
        table = predict(model, PIXELS, SAMPLES, 8, 8, CPU)
        numbers = evaluate(model, LOSS, PIXELS, SAMPLES, 8, 8, CPU)
        views = see(model, PIXELS, SAMPLES, VIEWING, CPU)
        return [np.stack(list(table["probabilities"])), np.array(numbers), views.probabilities]

    whole = found()
    monkeypatch.setattr(inference, "normalise", limited(normalise, 0, 2))
    parts = found()
    assert capsys.readouterr().out.count(SAID) == 3
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("cosine", [False, True])
def test_tile(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], cosine: bool
) -> None:
    # The second half of the test samples are training samples too, as in lists of training images.
    arguments = (whole_slots(8, 0), whole_slots(30, 4), 6, CPU, cosine)
    whole = tile_table(*arguments)
    scarce = limited(influence._add_products, 0, 3)
    monkeypatch.setattr(influence, "_add_products", scarce)
    pd.testing.assert_frame_equal(tile_table(*arguments), whole, check_exact=not cosine)
    log = capsys.readouterr().out
    assert SAID in log and "goes on with 2" in log


def test_one_image_that_does_not_fit_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    def work(size: int) -> None:
        raise torch.OutOfMemoryError(FULL)

    with pytest.raises(torch.OutOfMemoryError):
        halving(5, work)
    assert [line.split()[-1] for line in capsys.readouterr().out.splitlines()] == ["2", "1"]


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (MemoryError(), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("shapes differ"), False),
    ],
)
def test_only_want_of_memory_is_tried_again(error: Exception, again: bool) -> None:
    def work(size: int) -> int:
        if size > 1:
            raise error
        return size

    if again:
        assert halving(4, work) == 1
    else:
        with pytest.raises(RuntimeError, match="shapes differ"):
            halving(4, work)
