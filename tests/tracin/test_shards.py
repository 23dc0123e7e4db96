"""Extraction beyond the head, number formats, and what a shard keeps."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.tracin.factors import whole_slots
from tests.tracin.test_influence import CPU, LOSS, RATES, TEST, TRAIN, save_blocks
from tracin.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from tracin.cosines import UnitLength
from tracin.errors import UserError
from tracin.gradients import Beyond, extract_factors
from tracin.images import normalise, read_batch
from tracin.influence import tile_scores
from tracin.model import Architecture, build_model
from tracin.samples import Samples
from tracin.shards import Factors, Sketches, Slot, by_slot, read_factors, samples_of, save_shard

EXACT = Beyond("all", 10**6)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (10, 12, 12, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    architecture = Architecture("resnet18", classes=3, hidden=(6,), stem="small")
    path = tmp_path_factory.mktemp("checkpoint") / "0.safetensors"
    facts = Checkpoint(architecture, LOSS, 12, 1, RATES[0], RATES[1], 1.0)
    save_checkpoint(build_model(architecture), facts, path)
    return path


def extract(
    path: Path, images: np.ndarray, samples: Samples, beyond: Beyond | None, batch: int = 4
) -> Slot:
    return extract_factors(path, images, samples, batch, CPU, beyond)


def weighted_gradient(path: Path, images: np.ndarray, sample: int, label: int) -> Tensor:
    """The oracle: every parameter's gradient times the root of its learning rate."""
    model, facts = load_checkpoint(path)
    batch = normalise(read_batch(images, np.array([sample]), facts.input_size))
    facts.loss.per_sample(model(batch), torch.tensor([label])).sum().backward()
    parts = []
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None
        rate = RATES[0] if name.startswith("fc.") else RATES[1]
        parts.append(rate**0.5 * parameter.grad.flatten())
    return torch.cat(parts).double()


def test_all_layers_exactly_are_autograd_over_all_parameters(
    checkpoint: Path, images: np.ndarray
) -> None:
    (test, rate), (train, _) = (extract(checkpoint, images, s, EXACT) for s in (TEST, TRAIN))
    # Eleven million terms: in float32 it would be the order of the sum that is tested.
    scores = tile_scores([(test, rate)], [(train, rate)], CPU)[0].double()
    for part, sketches in test.sketches.items():
        a, b = sketches.values, train.sketches[part].values
        scores += sketches.learning_rate * (a.double() @ b.double().T - a @ b.T)
    a, b = (
        torch.stack([weighted_gradient(checkpoint, images, i, y) for i, y in zip(*s, strict=True)])
        for s in ((TEST.ids, TEST.labels), (TRAIN.ids, TRAIN.labels))
    )
    expected = a @ b.T
    assert float((scores - expected).abs().max()) <= 1e-5 * float(expected.abs().max())


def test_other_layers_give_other_scores(checkpoint: Path, images: np.ndarray) -> None:
    scores = []
    for beyond in (None, Beyond("all", 4), Beyond(["layer4"], 4)):
        test, train = (extract(checkpoint, images, s, beyond) for s in (TEST, TRAIN))
        scores.append(tile_scores([test], [train], CPU)[0])
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert not torch.allclose(scores[i], scores[j], rtol=0.01)


def test_layers_and_batches(checkpoint: Path, images: np.ndarray) -> None:
    one = extract(checkpoint, images, TRAIN, Beyond("all", 4), batch=1)[0]
    many = extract(checkpoint, images, TRAIN, Beyond("all", 4), batch=100)[0]
    for part in ("head", "backbone"):
        a, b = one.sketches[part].values, many.sketches[part].values
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4 * float(b.abs().max()))
    some = extract(checkpoint, images, TRAIN, Beyond(["layer4"], 4))[0]
    assert set(some.sketches) == {"backbone"}
    assert some.sketches["backbone"].values.shape[1] < many.sketches["backbone"].values.shape[1]
    assert many.sketches["head"].learning_rate == RATES[0]
    assert many.sketches["backbone"].learning_rate == RATES[1]


def test_bfloat16_keeps_the_order_of_the_scores(checkpoint: Path, images: np.ndarray) -> None:
    beyond = Beyond("all", 4)  # the hidden layer of the head, too
    exact, _ = extract(checkpoint, images, TRAIN, beyond)
    rounded, _ = extract_factors(checkpoint, images, TRAIN, 4, CPU, beyond, "bfloat16")
    assert rounded.errors.dtype == rounded.activations.dtype == torch.float32
    assert not torch.equal(exact.activations, rounded.activations)
    torch.testing.assert_close(exact.activations, rounded.activations, rtol=0.1, atol=0.05)
    torch.testing.assert_close(exact.errors, rounded.errors, rtol=0.05, atol=0.01)
    for part, sketches in exact.sketches.items():
        found = rounded.sketches[part].values
        assert found.dtype == torch.float32
        assert (found - sketches.values).norm() < 0.1 * sketches.values.norm()


def test_samples_are_counted_without_reading_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slots: list[list[Path]] = []
    for number, (factors, rate) in enumerate(whole_slots(7, 0)):
        slots.append([tmp_path / f"{number}.safetensors"])
        save_shard(factors, slice(0, 7), 7, rate, slots[-1][0])
    kept = by_slot(slots, block=1, blocks=2)
    read = [factors for factors, _ in kept]
    assert samples_of(kept) == len(read[0].sample_id) == 4
    assert samples_of(UnitLength(kept)) == samples_of([(read[0], 1.0)]) == 4
    monkeypatch.setattr("tracin.shards.read_factors", None)
    assert samples_of(kept) == 4
    with pytest.raises(UserError, match="There are 9 tiles for 7 images"):
        samples_of(by_slot(slots, block=0, blocks=9))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_sketches_survive_any_cut(
    tmp_path: Path, checkpoint: Path, images: np.ndarray, dtype: torch.dtype
) -> None:
    whole, rate = extract(checkpoint, images, TRAIN, Beyond(["layer4", "fc"], 4))
    paths = []
    for block, rows in enumerate((slice(0, 3), slice(3, 7))):
        samples = TRAIN.slice(rows)
        part = extract(checkpoint, images, samples, Beyond(["layer4", "fc"], 4))[0]
        paths.append(tmp_path / f"{block}.safetensors")
        save_shard(part, rows, len(TRAIN), rate, paths[-1], dtype)
    read, read_rate = read_factors(paths, 1, 2)
    assert read_rate == rate and read.sample_id.tolist() == TRAIN.ids[3:].tolist()
    for name, sketches in read.sketches.items():
        wanted = whole.sketches[name]
        assert sketches.learning_rate == wanted.learning_rate
        scale = float(wanted.values.abs().max())
        torch.testing.assert_close(sketches.values, wanted.values[3:], rtol=0, atol=1e-3 * scale)


def test_float16_keeps_tiny_and_giant_rows(tmp_path: Path) -> None:
    torch.manual_seed(0)
    rows = torch.logspace(-12, 12, 9)[:, None]
    factors = Factors(torch.arange(9), torch.rand(9, 50), rows * torch.randn(9, 4))
    factors.errors[3] = 0
    sizes = {}
    for dtype in (torch.float32, torch.float16):
        path = tmp_path / f"{dtype}.safetensors"
        save_shard(factors, slice(0, 9), 9, 0.1, path, dtype)
        sizes[dtype] = path.stat().st_size
        read = read_factors([path])[0]
        limit = 0 if dtype == torch.float32 else 2**-11
        largest = factors.errors.abs().amax(dim=1, keepdim=True)
        assert ((read.errors - factors.errors).abs() <= limit * largest * 1.01).all()
        assert read.activations.dtype == torch.float32
    assert sizes[torch.float16] < 0.8 * sizes[torch.float32]


def test_slots_can_be_read_again(tmp_path: Path) -> None:
    factors = [
        Factors(torch.arange(5), torch.full((5, 3), float(i)), torch.ones(5, 2)) for i in range(2)
    ]
    slots = by_slot(save_blocks(factors, tmp_path, 2))
    for _ in range(2):
        assert [float(f.activations[0, 0]) for f, _ in slots] == [0.0, 1.0]


def test_a_shard_cut_short_is_named(tmp_path: Path) -> None:
    factors = Factors(torch.arange(4), torch.ones(4, 3), torch.ones(4, 2))
    path = save_blocks([factors], tmp_path, 1)[0][0]
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(UserError, match=rf"{path.name} is damaged or was cut short"):
        read_factors([path])


def test_sketches_are_left_on_the_disk(tmp_path: Path) -> None:
    sketches = {"head": Sketches(torch.ones(4, 7), 0.1)}
    factors = Factors(torch.arange(4), torch.ones(4, 3), torch.ones(4, 2), sketches)
    save_shard(factors, slice(0, 4), 4, 0.2, path := tmp_path / "0.safetensors")
    (bare, rate), (whole, same) = read_factors([path], sketches=False), read_factors([path])
    assert not bare.sketches and whole.sketches["head"].values.shape == (4, 7)
    assert torch.equal(bare.errors, whole.errors) and rate == same
    assert not any(slot.sketches for slot, _ in by_slot([[path]], sketches=False))
