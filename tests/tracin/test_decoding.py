"""Tests of decoding images."""

from __future__ import annotations

import hashlib
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from zlib import crc32

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.conftest import ROOT
from tracin import decoding
from tracin.decoding import check_classes, check_rejected, decode_folder, decode_image
from tracin.errors import UserError
from tracin.sources import Rejected, from_text, to_text


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


# 65535 = 255 x 257; half a step is 128.5.
@pytest.mark.parametrize(
    ("value", "grey"), [(0, 0), (128, 0), (129, 1), (128 * 257, 128), (65535, 255)]
)
def test_sixteen_bit_grey_is_scaled_and_rounded(tmp_path: Path, value: int, grey: int) -> None:
    Image.fromarray(np.full((5, 5), value, dtype=np.uint16)).save(tmp_path / "w.png")
    assert (decode_image(tmp_path / "w.png", 5)[0] == grey).all()


def test_images_are_made_smaller_with_a_bicubic_filter(tmp_path: Path) -> None:
    line = np.zeros((32, 32), dtype=np.uint8)
    line[:, 16] = 255
    Image.fromarray(line).save(tmp_path / "l.png")
    # Half of 255 times the cubic kernel, which 0.75, 0.25 and 1.25 new pixels away is 0.2266,
    # 0.8672 and below zero.
    small = decode_image(tmp_path / "l.png", 16)[0]
    assert (small[:, 6:10, 0] == [0, 29, 111, 0]).all()


def test_first_frame_of_gif_and_webp(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (6, 6), colour) for colour in ("red", "blue")]
    for name in ("a.gif", "a.webp"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], lossless=True)
        assert decode_image(tmp_path / name, 6)[0].reshape(-1, 3).mean(axis=0)[0] > 250


def test_one_pixel_and_a_wrong_ending(tmp_path: Path) -> None:
    Image.new("RGB", (1, 1), (10, 20, 30)).save(tmp_path / "one.png")
    (tmp_path / "one.png").rename(tmp_path / "one.jpg")
    assert (decode_image(tmp_path / "one.jpg", 4)[0] == [10, 20, 30]).all()


def test_conversion_by_strips_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = _noise(30, 40)
    image.putalpha(image.getchannel("R"))
    image.save(tmp_path / "alpha.png")
    Image.fromarray(np.arange(1200, dtype=np.uint16).reshape(30, 40) * 50).save(
        tmp_path / "wide.png"
    )
    for name in ("alpha.png", "wide.png"):
        whole = decode_image(tmp_path / name, 20)[0]
        with monkeypatch.context() as strips:
            strips.setattr(decoding, "STRIP_PIXELS", 70)
            assert (decode_image(tmp_path / name, 20)[0] == whole).all()


def _refused(path: Path) -> str:
    """Why a file is not decoded."""
    outcome = decoding._decode_or_reason(path.name, str(path.parent), 8)
    assert isinstance(outcome, str)
    return outcome


def test_reasons_are_sentences(tmp_path: Path) -> None:
    file = tmp_path / "a.jpg"
    file.touch()
    assert _refused(file) == "the file is empty"
    file.write_text("no image")
    assert _refused(file) == "no image that is read here (JPEG, PNG, BMP, GIF, WEBP, TIFF)"
    _noise(40, 40).save(file)
    file.write_bytes(file.read_bytes()[:-400])
    assert _refused(file).startswith("damaged image: image file is truncated")
    Image.new("F", (5, 5)).save(file, "TIFF")
    assert "floating-point pixels" in _refused(file)
    _noise(2, 20000).save(file, "PNG")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding, "MAX_RESIZED_PIXELS", 8 * 8 * 9999)
        assert _refused(file) == "the image is too elongated (2 x 20000 pixels)"
    # Pillow would hand this to Ghostscript, which runs what the file says.
    file.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n")
    assert _refused(file).startswith("no image that is read here")


def _write_png(path: Path, side: int, depth: int, kind: int, channels: int) -> None:
    """Write a black PNG of side x side pixels without holding it in memory."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", crc32(name + data))

    packer, row = zlib.compressobj(1), bytes(1 + (side * depth * channels + 7) // 8)
    pixels = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, depth, kind, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + parts)


def test_memory_is_bounded_by_the_pixels(tmp_path: Path) -> None:
    """Bombs are refused unread; the rest takes less than 10 bytes a pixel, whatever it holds."""
    _write_png(tmp_path / "bomb.png", 20000, 1, 0, 1)
    _write_png(tmp_path / "alpha.png", 5000, 16, 6, 4)
    _write_png(tmp_path / "wide.png", 5000, 16, 0, 1)
    code = """
import sys, resource
from tracin.decoding import _decode_or_reason
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
for name in ("bomb.png", "wide.png", "alpha.png"):
    before = peak()
    outcome = _decode_or_reason(name, ".", 64)
    print(peak() - before, outcome if isinstance(outcome, str) else outcome[2:])
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT / "workflow_scripts")},
        capture_output=True,
        text=True,
        check=True,
    )
    bomb, wide, alpha = (line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert bomb[1] == "more than 89,478,485 pixels; save the image smaller"
    assert int(bomb[0]) < 20e6
    assert wide[1] == alpha[1] == "(5000, 5000)"
    assert int(wide[0]) + int(alpha[0]) < 10 * 5000**2


@pytest.mark.parametrize("workers", [1, 2])
def test_folder_rejects_and_keeps_order(tmp_path: Path, workers: int) -> None:
    names = [f"{number}.png" for number in range(11)] + [os.fsdecode(b"caf\xe9.png")]
    for number, name in enumerate(names):
        _noise(10 + number, 12).save(tmp_path / name)
    (tmp_path / "3.png").write_bytes((tmp_path / "3.png").read_bytes()[:200])
    (tmp_path / "5.png").unlink()
    os.mkfifo(tmp_path / "5.png")
    (tmp_path / "7.png").unlink()
    (tmp_path / "7.png").symlink_to("/dev/zero")
    listing = pd.DataFrame({"path": [*map(to_text, names), "gone.png"], "label": "x"})
    target = tmp_path / "out" / "pixels.npy"
    images, rejected = decode_folder(listing, tmp_path, 8, target, workers)
    pixels = np.load(target, mmap_mode="r")
    assert pixels.shape == (9, 8, 8, 3) and pixels.dtype == np.uint8
    assert [path for path, _ in rejected] == ["3.png", "5.png", "7.png", "gone.png"]
    assert list(images["sample_id"]) == list(range(9)) and images["sample_id"].dtype == "int64"
    assert images["path"].iloc[-1] == r"caf\xe9.png"
    assert str(tmp_path) not in " ".join(reason for _, reason in rejected)
    for row, path in enumerate(images["path"]):
        assert (pixels[row] == decode_image(tmp_path / from_text(path), 8)[0]).all()


def test_a_killed_process_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "_decode_or_reason", _die)
    listing = pd.DataFrame({"path": ["a.png", "b.png"]})
    with pytest.raises(UserError, match=r"killed, between 'a\.png' and 'b\.png'"):
        decode_folder(listing, tmp_path, 8, tmp_path / "pixels.npy", 2)
    assert not list(tmp_path.iterdir())


def _die(path: str, root: str, size: int) -> str:
    os._exit(9)


def test_too_many_rejected_are_summed_up() -> None:
    rejected = [Rejected(f"{n}.jpg", f"damaged image: {n} bytes left") for n in range(5)]
    rejected.append(Rejected("x", "lies in no class folder"))
    check_rejected(rejected, 12, 0.5)
    with pytest.raises(UserError) as raised:
        check_rejected(rejected, 12, 0.4)
    assert str(raised.value).splitlines() == [
        "6 of 12 files had to be left out, more than the accepted share 0.4:",
        "  5: damaged image: … bytes left ('0.jpg', '1.jpg', '2.jpg', ...)",
        "  1: lies in no class folder ('x')",
        "Repair or remove these files, or raise dataset.max_rejected.",
    ]


def test_a_class_that_lost_all_its_images_stops() -> None:
    listing = pd.DataFrame({"label": ["cat", "dog", "cat"]})
    check_classes(listing, listing)
    with pytest.raises(UserError, match=r"No image of the classes \['dog'\]"):
        check_classes(listing, listing[listing["label"] == "cat"])
