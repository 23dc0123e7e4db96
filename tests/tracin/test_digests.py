"""What tells an unfinished training that it may go on: digests of contents, not of times."""

import os
from pathlib import Path

import numpy as np

from tracin.images import open_pixels
from tracin.training_state import digest, pixels_digest


def test_digest_tells_where_a_part_ends() -> None:
    assert digest([b"ab", b"c"]) != digest([b"a", b"bc"])


def test_pixels_are_told_by_what_they_hold(tmp_path: Path) -> None:
    """A copy without times, or --touch, doesn't cost the epochs of an unfinished training."""
    pixels = np.random.default_rng(0).integers(0, 256, (50, 4, 4, 3), dtype=np.uint8)
    files, path = [f"{i:064x}" for i in range(50)], tmp_path / "pixels.npy"

    def written(array: np.ndarray, files: list[str] = files) -> str:
        np.save(path, array)
        return pixels_digest(open_pixels(path), files)

    before = written(pixels)
    os.utime(path, ns=(1, 1))
    assert pixels_digest(open_pixels(path), files) == before
    others = (255 - pixels, pixels.reshape(50, 2, 8, 3), pixels.view(np.int8), pixels[:-1])
    assert before not in map(written, others)
    assert written(pixels, files[::-1]) != before
