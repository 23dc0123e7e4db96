"""Images as data URIs at the size at which a page shows them."""

from __future__ import annotations

import base64
import io
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image

# Sides in pixels (enlarged image, thumbnail) and quality, best first: the first that fits is used.
STEPS = ((256, 72, 82), (224, 64, 72), (160, 56, 62), (112, 48, 50))
# Images up to this side are kept as they are: they are shown with visible pixels.
SMALL = 64
LARGEST_PAGE = 50_000_000
PROBED = 64


def data_uri(pixels: np.ndarray, side: int, quality: int) -> str:
    """A WebP data URI of an image, uint8 [H, W, 3], at most `side` pixels wide."""
    image, buffer = Image.fromarray(pixels), io.BytesIO()
    if image.width <= SMALL:
        image.save(buffer, "WEBP", lossless=True)
    else:
        image.thumbnail((side, side), Image.Resampling.LANCZOS)
        image.save(buffer, "WEBP", quality=quality)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def embed(
    pixels: np.ndarray, large: Collection[int], small: Collection[int], threads: int
) -> tuple[dict[int, str], dict[int, str]]:
    """Data URIs of the images `large` and thumbnails of the images `small`, by sample id.

    A small image is its own thumbnail. Size and quality go down where the page would grow too
    large, which a sample of the images tells.
    """
    if pixels.shape[2] <= SMALL:
        large, small = [*large, *(set(small) - set(large))], []
    for step in STEPS:
        if _expected(pixels, list(large), list(small), step) <= LARGEST_PAGE or step == STEPS[-1]:
            break
    side, thumbnail, quality = step
    with ThreadPoolExecutor(threads) as pool:

        def encode(ids: Collection[int], width: int) -> dict[int, str]:
            uris = pool.map(lambda sample: data_uri(pixels[sample], width, quality), ids)
            return dict(zip(ids, uris, strict=True))

        return encode(large, side), encode(small, thumbnail)


def _expected(
    pixels: np.ndarray, large: list[int], small: list[int], step: tuple[int, int, int]
) -> float:
    """Bytes that the images take, judged by a few of them."""
    total = 0.0
    for ids, side in ((large, step[0]), (small, step[1])):
        probe = ids[:: max(1, len(ids) // PROBED)]
        if probe:
            sizes = [len(data_uri(pixels[sample], side, step[2])) for sample in probe]
            total += float(np.mean(sizes)) * len(ids)
    return total
