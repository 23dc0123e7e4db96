"""Decoding of image files into one array of equal squares."""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image, ImageOps
from tqdm import tqdm

from tracin.errors import UserError
from tracin.files import atomic_path

Pixels = npt.NDArray[np.uint8]
Decoded = tuple[Pixels, str, int, int]

BATCH = 4096
CHUNK = 16
MAX_RESIZED_PIXELS = 100_000_000


def _to_rgb(image: Image.Image) -> Image.Image:
    """Convert any still image to 8-bit RGB, transparency shown on white."""
    if image.mode == "F":
        raise UserError("floating-point pixels have no known range; save the image with 8 bits")
    if image.mode.startswith("I"):
        # Pillow's own conversion clips 16-bit values at 255 in place of scaling them.
        wide = np.clip(np.asarray(image).astype(np.int64), 0, 65535)
        image = Image.fromarray(np.rint(wide / 257).astype(np.uint8))
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, layer).convert("RGB")
    return image.convert("RGB")


def _square(image: Image.Image, size: int) -> Image.Image:
    """Resize the short side to `size` and cut the centre square out."""
    width, height = image.size
    scale = size / min(width, height)
    wide, high = max(size, round(width * scale)), max(size, round(height * scale))
    if wide * high > MAX_RESIZED_PIXELS:
        raise UserError(f"the image is too elongated ({width} x {height} pixels)")
    resized = image.resize((wide, high), Image.Resampling.BICUBIC)
    left, top = (wide - size) // 2, (high - size) // 2
    return resized.crop((left, top, left + size, top + size))


def decode_image(path: Path | str, size: int) -> Decoded:
    """Decode the first frame of an image file to an RGB square.

    Returns:
        Pixels uint8 [size, size, 3], SHA-256 (hex) of the file's bytes, and the
        upright image's width and height before resizing.

    Raises:
        OSError: The file cannot be read or is no complete image.
        UserError: Its pixels cannot be shown as RGB.
        PIL.Image.DecompressionBombWarning: It has suspiciously many pixels.
    """
    content = Path(path).read_bytes()
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(io.BytesIO(content)) as opened:
            opened.load()
            upright = ImageOps.exif_transpose(opened)
            width, height = upright.size
            pixels = np.array(_square(_to_rgb(upright), size), dtype=np.uint8)
    return pixels, hashlib.sha256(content).hexdigest(), width, height


def _decode_or_reason(path: str, root: str, size: int) -> Decoded | str:
    """Decode one image, or return in one line why that failed."""
    try:
        return decode_image(Path(root) / path, size)
    except Exception as error:
        # Broken files make decoders raise almost anything; one must not end the run.
        text = " ".join(str(error).replace(str(root), "").split())
        return f"{type(error).__name__}: {text}"


def _decode_all(paths: list[str], root: str, size: int, workers: int) -> Iterator[Decoded | str]:
    """Yield the outcome for every path, in order."""
    task = partial(_decode_or_reason, root=root, size=size)
    if workers <= 1:
        yield from map(task, paths)
        return
    with ProcessPoolExecutor(workers) as pool:
        # Batches bound the decoded images that wait in memory for the writer.
        for start in range(0, len(paths), BATCH):
            yield from pool.map(task, paths[start : start + BATCH], chunksize=CHUNK)


def _write_header(file: BinaryIO, count: int, size: int) -> int:
    """Write a .npy header for uint8 [count, size, size, 3]; return where it ends."""
    shape = (count, size, size, 3)
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    file.seek(0)
    np.lib.format.write_array_header_1_0(file, header)
    return file.tell()


def decode_folder(
    listing: pd.DataFrame, root: Path | str, size: int, pixels_path: Path | str, workers: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Decode all listed images into one .npy file, uint8 [images, size, size, 3].

    Args:
        listing: Frame [rows, columns] with at least `path`, relative to `root`.
        root: Folder of the images.
        size: Side of the stored squares.
        pixels_path: The .npy file to write.
        workers: Processes to decode with; 1 or less decodes in this process.

    Returns:
        The decoded rows (sample_id, the listing's columns, sha256, width, height;
        sample_id is the row in the array) and the rejected ones [path, reason].

    Raises:
        OSError: The array cannot be written.
    """
    paths = [str(path) for path in listing["path"]]
    outcomes = tqdm(
        _decode_all(paths, str(root), size, workers), total=len(paths), desc="decode", mininterval=5
    )
    kept: list[tuple[int, str, int, int]] = []
    rejected: list[tuple[str, str]] = []
    with atomic_path(pixels_path) as temporary, temporary.open("w+b") as file:
        start = _write_header(file, len(paths), size)
        for row, outcome in enumerate(outcomes):
            if isinstance(outcome, str):
                rejected.append((paths[row], outcome))
                continue
            file.write(outcome[0].tobytes())
            kept.append((row, *outcome[1:]))
        # numpy pads headers so that the count can change without moving the rows.
        end = _write_header(file, len(kept), size)
        assert end == start, "the .npy header changed its length"
    return _describe(listing, kept), pd.DataFrame(rejected, columns=["path", "reason"])


def _describe(listing: pd.DataFrame, kept: list[tuple[int, str, int, int]]) -> pd.DataFrame:
    """Return the listing's kept rows with what decoding found out."""
    images = listing.iloc[[row for row, *_ in kept]].reset_index(drop=True)
    images.insert(0, "sample_id", np.arange(len(kept), dtype=np.int64))
    images["sha256"] = pd.Series([digest for _, digest, _, _ in kept], dtype="string")
    images["width"] = np.array([width for _, _, width, _ in kept], dtype=np.int32)
    images["height"] = np.array([height for _, _, _, height in kept], dtype=np.int32)
    return images


def check_rejected(rejected: pd.DataFrame, total: int, maximum: float) -> None:
    """Stop when too large a share of the listed files could not be decoded.

    Args:
        rejected: Frame [rejected, 2] with path and reason.
        total: Number of listed files.
        maximum: Largest share accepted, from 0 to 1.

    Raises:
        UserError: The share of rejected files is larger than `maximum`.
    """
    if not total or len(rejected) / total <= maximum:
        return
    first = zip(rejected["path"][:5], rejected["reason"][:5], strict=True)
    reasons = "\n".join(f"  {path}: {reason}" for path, reason in first)
    raise UserError(
        f"{len(rejected)} of {total} files could not be decoded, more than the accepted share "
        f"{maximum:g}. The first are:\n{reasons}\n"
        "Repair or remove these files, or raise dataset: max_rejected."
    )
