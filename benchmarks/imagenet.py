"""What five checkpoints of a ResNet-50 would take for all of ImageNet, from measured rates."""

from __future__ import annotations

from tracin.units import duration, size

TRAIN, TEST, CLASSES = 1_281_167, 50_000, 1000
DEPTH, SLOTS = 2048, 5


def projection(images_per_second: float, seconds_per_pair: float, classes: int) -> str:
    """Time and disk, in words.

    The work per pair is a product of DEPTH + 1 numbers and one of as many as there are classes.
    Reading the shards is not counted.

    Args:
        images_per_second: gradients at one checkpoint, of images of 224 pixels.
        seconds_per_pair: of a tile of DEPTH, SLOTS and this number of classes.
    """
    images, width = TRAIN + TEST, DEPTH + 1 + CLASSES
    passes = SLOTS * images / images_per_second
    tiles = TRAIN * TEST * seconds_per_pair * width / (DEPTH + 1 + classes)
    disk = 4 * SLOTS * images * width
    return (
        f"{duration(passes)} for the gradients, {duration(tiles)} for the tiles, "
        f"{size(disk)} of float32 shards, half in float16"
    )
