"""Tests of decoding images."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tracin.decoding import check_rejected, decode_folder, decode_image


def _noise(width: int, height: int) -> Image.Image:
    random = np.random.default_rng(0)
    return Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8))


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    pixels = np.zeros((8, 16, 3), dtype=np.uint8)
    pixels[:, :8] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(file, exif=exif)
    decoded, digest, width, height = decode_image(file, 8)
    assert (width, height) == (8, 16)
    assert decoded[0].min() > 200 and decoded[-1].max() < 55
    assert digest == hashlib.sha256(file.read_bytes()).hexdigest()


def test_cmyk_and_grey_become_rgb(tmp_path: Path) -> None:
    Image.new("CMYK", (9, 9), (0, 255, 255, 0)).save(tmp_path / "c.jpg", quality=95)
    red = decode_image(tmp_path / "c.jpg", 4)[0]
    assert red[..., 0].min() > 240 and red[..., 1:].max() < 15
    Image.new("L", (9, 9), 77).save(tmp_path / "g.png")
    assert (decode_image(tmp_path / "g.png", 4)[0] == 77).all()


def test_transparency_is_shown_on_white(tmp_path: Path) -> None:
    palette = Image.new("P", (6, 6), 0)
    palette.putpalette([10, 20, 30, 200, 0, 0])
    palette.save(tmp_path / "p.png", transparency=0)
    assert (decode_image(tmp_path / "p.png", 6)[0] == 255).all()
    Image.new("RGBA", (6, 6), (0, 0, 0, 0)).save(tmp_path / "a.png")
    assert (decode_image(tmp_path / "a.png", 6)[0] == 255).all()


def test_sixteen_bit_grey_is_scaled(tmp_path: Path) -> None:
    Image.fromarray(np.full((5, 5), 128 * 257, dtype=np.uint16)).save(tmp_path / "w.png")
    assert (decode_image(tmp_path / "w.png", 5)[0] == 128).all()


def test_first_frame_of_gif_and_webp(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (6, 6), colour) for colour in ("red", "blue")]
    for name in ("a.gif", "a.webp"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], lossless=True)
        assert decode_image(tmp_path / name, 6)[0].reshape(-1, 3).mean(axis=0)[0] > 250


def test_bombs_are_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _noise(20, 20).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 300)
    with pytest.raises(Image.DecompressionBombWarning):
        decode_image(tmp_path / "a.png", 4)


@pytest.mark.parametrize("workers", [1, 2])
def test_folder_rejects_and_keeps_order(tmp_path: Path, workers: int) -> None:
    names = [f"{number}.png" for number in range(12)]
    for number, name in enumerate(names):
        _noise(10 + number, 12).save(tmp_path / name)
    (tmp_path / "3.png").write_bytes((tmp_path / "3.png").read_bytes()[:200])
    (tmp_path / "5.png").write_text("no image")
    listing = pd.DataFrame({"path": [*names, "gone.png"], "label": "x"})
    target = tmp_path / "out" / "pixels.npy"
    images, rejected = decode_folder(listing, tmp_path, 8, target, workers)
    pixels = np.load(target, mmap_mode="r")
    assert pixels.shape == (10, 8, 8, 3) and pixels.dtype == np.uint8
    assert list(rejected["path"]) == ["3.png", "5.png", "gone.png"]
    assert list(images["sample_id"]) == list(range(10)) and images["sample_id"].dtype == "int64"
    assert str(tmp_path) not in " ".join(rejected["reason"])
    for row, path in enumerate(images["path"]):
        assert (pixels[row] == decode_image(tmp_path / path, 8)[0]).all()


def test_too_many_rejected() -> None:
    rejected = pd.DataFrame({"path": ["a", "b"], "reason": ["r1", "r2"]})
    check_rejected(rejected, 4, 0.5)
    with pytest.raises(ValueError, match=r"(?s)2 of 4.*a: r1.*max_rejected"):
        check_rejected(rejected, 4, 0.4)
