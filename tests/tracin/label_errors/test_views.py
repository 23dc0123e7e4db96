"""Views: the averages, whatever the chunks and batches, and the mirror image where it counts."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tracin.checkpoints import Checkpoint, save_checkpoint
from tracin.images import Augmentation
from tracin.label_errors import viewing as module
from tracin.label_errors.viewing import Viewing, checkpoint_before, see
from tracin.label_errors.views import Views, read_views, save_views, together
from tracin.loss import Loss
from tracin.model import Architecture, build_model
from tracin.samples import Samples

PIXELS = np.random.default_rng(0).integers(0, 256, (7, 12, 12, 3), dtype=np.uint8)
SAMPLES = Samples(np.arange(7), np.zeros(7, dtype=np.int64))
CENTRE = Viewing(Augmentation(horizontal_flip=False), random=0, input_size=8, batch_size=4)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def model() -> torch.nn.Module:
    torch.manual_seed(0)
    return build_model(Architecture("resnet18", classes=3, stem="small"))


def test_mirror_images_are_averaged_where_training_flips(model) -> None:
    plain = see(model, PIXELS, SAMPLES, CENTRE, CPU)
    assert (plain.probabilities == plain.plain).all()
    mirrored = see(model, PIXELS[:, :, ::-1], SAMPLES, CENTRE, CPU)
    both = replace(CENTRE, augmentation=Augmentation(horizontal_flip=True))
    found = see(model, PIXELS, SAMPLES, both, CPU)
    np.testing.assert_allclose(
        found.probabilities, (plain.plain + mirrored.plain) / 2, rtol=1e-4, atol=1e-6
    )
    np.testing.assert_array_equal(found.plain, plain.plain)
    raw = torch.zeros(len(SAMPLES), 512)
    for pixels in (PIXELS, PIXELS[:, :, ::-1]):
        for rows, _, inputs in module._pass(model, pixels, SAMPLES.ids, both, CPU):
            raw[rows] += inputs
    features = torch.nn.functional.normalize(raw, dim=1)
    np.testing.assert_allclose(found.features, features, rtol=1e-4, atol=1e-6)


def test_random_views_differ_from_one_another(model) -> None:
    none, one, two = (
        number * see(model, PIXELS, SAMPLES, replace(CENTRE, random=number - 1), CPU).probabilities
        for number in (1, 2, 3)
    )
    first, second = one - none, two - one
    assert np.abs(first - second).max() > 1e-3


def test_nothing_is_erased_from_a_view(model) -> None:
    viewing = replace(CENTRE, random=2)
    erased = replace(viewing, augmentation=replace(viewing.augmentation, erasing=1.0))
    whole = see(model, PIXELS, SAMPLES, viewing, CPU)
    found = see(model, PIXELS, SAMPLES, erased, CPU)
    np.testing.assert_array_equal(found.probabilities, whole.probabilities)


@pytest.mark.usefixtures("spawning")
def test_views_do_not_depend_on_who_makes_them(model, monkeypatch) -> None:
    viewing = replace(CENTRE, random=2)
    one = see(model, PIXELS, SAMPLES, viewing, CPU)
    monkeypatch.setattr("tracin.label_errors.viewing.JOINED", 1)
    several = see(model, PIXELS, SAMPLES, replace(viewing, workers=2), CPU)
    np.testing.assert_allclose(several.probabilities, one.probabilities, rtol=1e-5)


def test_earlier_checkpoints_add_their_still_views(model) -> None:
    torch.manual_seed(1)
    other = build_model(Architecture("resnet18", classes=3, stem="small"))
    both = replace(CENTRE, augmentation=Augmentation(horizontal_flip=True), random=2)
    alone = see(model, PIXELS, SAMPLES, both, CPU)
    added = see(other, PIXELS, SAMPLES, replace(both, random=0), CPU)
    found = see(model, PIXELS, SAMPLES, both, CPU, [other])
    expected = (4 * alone.probabilities + 2 * added.probabilities) / 6
    np.testing.assert_allclose(found.probabilities, expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(found.features, alone.features)
    np.testing.assert_array_equal(found.plain, alone.plain)


def test_several_networks_are_averaged_geometrically() -> None:
    def said(*rows: list[float]) -> Views:
        probabilities = np.array(rows, dtype=np.float32)
        return Views(np.arange(len(rows)), probabilities, probabilities, probabilities)

    first, second = said([0.9, 0.1], [0.5, 0.5]), said([0.5, 0.5], [0.2, 0.8])
    # sqrt(0.9 x 0.5) : sqrt(0.1 x 0.5) = 3 : 1, and sqrt(0.1) : sqrt(0.4) = 1 : 2.
    expected = [[3 / 4, 1 / 4], [1 / 3, 2 / 3]]
    np.testing.assert_allclose(together([first, second]), expected, rtol=1e-5)
    np.testing.assert_allclose(together([first]), first.probabilities, rtol=1e-5)


def test_the_checkpoint_before_the_best_weights(model, tmp_path) -> None:
    def saved(epoch: int, name: str) -> Path:
        loss = Loss((1.0, 1.0, 1.0))
        facts = Checkpoint(Architecture("resnet18", 3, stem="small"), loss, 8, epoch, 1.0, 1.0, 1.0)
        save_checkpoint(model, facts, tmp_path / name)
        return tmp_path / name

    slots = [saved(epoch, f"{epoch}.safetensors") for epoch in (1, 4, 8, 11)]
    for epoch, before in ((9, slots[2:3]), (8, slots[1:2]), (12, slots[3:]), (1, [])):
        assert checkpoint_before(saved(epoch, "best.safetensors"), slots) == before


def test_random_views_do_not_depend_on_batches(model, monkeypatch, tmp_path) -> None:
    viewing = replace(CENTRE, random=2)
    whole = see(model, PIXELS, SAMPLES, viewing, CPU)
    monkeypatch.setattr(module, "JOINED", 2)
    parts = see(model, PIXELS, SAMPLES, replace(viewing, batch_size=2), CPU)
    np.testing.assert_allclose(whole.probabilities, parts.probabilities, rtol=1e-4, atol=1e-6)
    assert np.abs(whole.probabilities - whole.plain).max() > 1e-4
    save_views(whole, tmp_path / "views.safetensors")
    again = read_views(tmp_path / "views.safetensors").only(np.array([2, 5]))
    np.testing.assert_array_equal(again.probabilities, whole.probabilities[[2, 5]])
    np.testing.assert_allclose(again.features, whole.features[[2, 5]], atol=1e-3)
    with pytest.raises(ValueError, match="views lack"):
        again.only(np.array([2, 6]))


def test_the_precision_of_the_passes_is_the_one_asked_for(model) -> None:
    exact = see(model, PIXELS, SAMPLES, CENTRE, CPU).probabilities
    rounded = see(model, PIXELS, SAMPLES, replace(CENTRE, precision="bfloat16"), CPU).probabilities
    assert 0 < np.abs(exact - rounded).max() < 0.05
