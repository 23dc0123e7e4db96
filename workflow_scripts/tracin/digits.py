"""The small built-in data set of handwritten digits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from tracin.files import atomic_folder

BRIGHTEST = 16
IMAGES = 1797


def write_digits(folder: Path | str) -> None:
    """Write the 1,797 digits as 8x8 grey PNG files `folder/<digit>/<number>.png`, all or none.

    Raises:
        OSError: The folder cannot be written to.
    """
    digits = load_digits()
    pixels = np.rint(digits.images * (255 / BRIGHTEST)).astype(np.uint8)
    with atomic_folder(folder) as whole:
        for number, (image, digit) in enumerate(zip(pixels, digits.target, strict=True)):
            target = whole / str(digit) / f"{number:04d}.png"
            target.parent.mkdir(exist_ok=True)
            Image.fromarray(image).save(target)
