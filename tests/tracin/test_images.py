"""Training views: those of torchvision's transforms, bit for bit, and batches of them."""

from itertools import product

import numpy as np
import pytest
import torch

from tracin.images import Augmentation, EpochSampler, TrainingImages, collate, normalise
from tracin.vision import v2


def images(size: int, given: Augmentation, view: int) -> TrainingImages:
    pixels = np.random.default_rng(0).integers(0, 256, (12, size, size, 3), dtype=np.uint8)
    pixels.setflags(write=False)
    return TrainingImages(pixels, np.arange(11, -1, -1), np.arange(12) % 3, given, view)


@pytest.mark.parametrize(("size", "view"), [(40, 32), (12, 12), (9, 16)])
@pytest.mark.parametrize(("rotation", "flip"), list(product([0.0, 10.0], [False, True])))
@pytest.mark.parametrize(("jitter", "erasing"), [(0.0, 0.0), (0.3, 0.0), (0.0, 0.7), (1.0, 1.0)])
def test_views_are_those_of_torchvisions_transforms(
    size: int, view: int, rotation: float, flip: bool, jitter: float, erasing: float
) -> None:
    found = images(size, Augmentation((0.5, 1.0), flip, rotation, jitter, erasing), view)
    steps: list[torch.nn.Module] = [v2.RandomResizedCrop(view, scale=(0.5, 1.0), antialias=True)]
    if rotation:
        steps.insert(0, v2.RandomRotation(rotation, v2.InterpolationMode.BILINEAR))
    if flip:
        steps.append(v2.RandomHorizontalFlip())
    if jitter:
        steps.append(v2.ColorJitter(brightness=jitter, contrast=jitter, saturation=jitter))
    if erasing:
        mean_colour = [0.485 * 255, 0.456 * 255, 0.406 * 255]
        steps.append(v2.RandomErasing(erasing, value=mean_colour))
    expected = v2.Compose(steps)
    for position, seed in enumerate(7**i for i in range(12)):
        torch.manual_seed(seed)
        image = expected(torch.from_numpy(found.pixels[11 - position].copy()).permute(2, 0, 1))
        torch.manual_seed(1)
        item = found[position, seed]
        assert torch.equal(item[0], image)
        assert item[1:] == (position % 3, position)
        # What is drawn after it does not depend on the view.
        assert torch.initial_seed() == 1


def test_a_batch_is_in_channels_last_order() -> None:
    found = images(12, Augmentation(), 8)
    items = [found[i, i] for i in range(5)]
    views, labels, positions = collate(items)
    assert views.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(views, torch.stack([view for view, _, _ in items]))
    assert labels.tolist() == [0, 1, 2, 0, 1] and positions.tolist() == list(range(5))


def test_each_epoch_and_each_seed_shuffles_and_augments_anew() -> None:
    def drawn(seed: int, epoch: int) -> tuple[list[int], list[int]]:
        sampler = EpochSampler(20, seed)
        sampler.epoch = epoch
        order, seeds = zip(*sampler, strict=True)
        assert sorted(order) == list(range(20)) and len(set(seeds)) == 20
        return list(order), list(seeds)

    first = drawn(seed=0, epoch=1)
    assert drawn(seed=0, epoch=1) == first
    for other in (drawn(seed=0, epoch=2), drawn(seed=1, epoch=1)):
        assert other[0] != first[0] and other[1] != first[1]


def test_channels_are_scaled_by_imagenets_statistics() -> None:
    grey = torch.full((1, 3, 2, 2), 51, dtype=torch.uint8)  # 51 / 255 = 0.2
    found = normalise(grey)[0, :, 1, 1]
    # As torchvision's documentation of its weights has them.
    wanted = [(0.2 - 0.485) / 0.229, (0.2 - 0.456) / 0.224, (0.2 - 0.406) / 0.225]
    torch.testing.assert_close(found, torch.tensor(wanted))
