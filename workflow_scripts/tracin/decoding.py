"""Decoding of image files into one array of equal squares."""

from __future__ import annotations

import hashlib
import io
import os
import re
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image, ImageOps, UnidentifiedImageError
from tqdm import tqdm

from tracin.errors import SHOWN, UserError
from tracin.files import atomic_path
from tracin.lifetime import end_with_parent
from tracin.sources import Rejected, from_text, read_file

Pixels = npt.NDArray[np.uint8]
Decoded = tuple[Pixels, str, int, int]

BATCH = 4096
CHUNK = 16
MAX_RESIZED_PIXELS = 100_000_000
STRIP_PIXELS = 1_000_000
# Others go to programs of their own (EPS to Ghostscript) or to decoders that few people test.
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF")
EXAMPLES = 3


def _to_rgb(image: Image.Image) -> Image.Image:
    """Convert any still image to 8-bit RGB, transparency shown on white.

    Strip by strip: a conversion takes several times the memory of its result.
    """
    if image.mode == "F":
        raise UserError("floating-point pixels have no known range; save the image with 8 bits")
    if image.mode == "RGB" and not image.has_transparency_data:
        return image
    result = Image.new("RGB", image.size)
    rows = max(1, STRIP_PIXELS // image.width)
    for top in range(0, image.height, rows):
        below = min(top + rows, image.height)
        strip = image.crop((0, top, image.width, below))
        result.paste(_strip_to_rgb(strip), (0, top))
    return result


def _strip_to_rgb(image: Image.Image) -> Image.Image:
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


def decode_image(path: Path | str, size: int, root: Path | str | None = None) -> Decoded:
    """Decode the first frame of an image file to an RGB square.

    Args:
        path: The file; its content decides what it is, whatever its name ends in.
        size: Side of the square.
        root: Folder that links may not lead out of; None: the file's own.

    Returns:
        Pixels uint8 [size, size, 3], SHA-256 (hex) of the file's bytes, and the
        upright image's width and height before resizing.

    Raises:
        UserError: The file cannot be read, is no image, or is none that can be shown as RGB.
    """
    content = read_file(path, Path(path).parent if root is None else root)
    if not content:
        raise UserError("the file is empty")
    try:
        pixels, width, height = _decode(content, size)
    except UserError:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise UserError(
            f"more than {Image.MAX_IMAGE_PIXELS:,} pixels; save the image smaller"
        ) from error
    except UnidentifiedImageError as error:
        raise UserError(f"no image that is read here ({', '.join(FORMATS)})") from error
    except Exception as error:
        # Broken files make decoders raise almost anything; one must not end the run.
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"damaged image: {reason}") from error
    return pixels, hashlib.sha256(content).hexdigest(), width, height


def _decode(content: bytes, size: int) -> tuple[Pixels, int, int]:
    """The square of an image, uint8 [size, size, 3], and the upright image's width and height."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(io.BytesIO(content), formats=FORMATS) as opened:
            opened.load()
            ImageOps.exif_transpose(opened, in_place=True)
            width, height = opened.size
            return np.array(_square(_to_rgb(opened), size), dtype=np.uint8), width, height


def _decode_or_reason(path: str, root: str, size: int) -> Decoded | str:
    """Decode one image, or return in one line why that failed."""
    try:
        return decode_image(os.path.join(root, from_text(path)), size, root)
    except UserError as error:
        return str(error)


def _decode_all(paths: list[str], root: str, size: int, workers: int) -> Iterator[Decoded | str]:
    """Yield the outcome for every path, in order."""
    task = partial(_decode_or_reason, root=root, size=size)
    if workers <= 1:
        yield from map(task, paths)
        return
    with ProcessPoolExecutor(workers, initializer=end_with_parent) as pool:
        # Batches bound the decoded images that wait in memory for the writer.
        for start in range(0, len(paths), BATCH):
            batch = paths[start : start + BATCH]
            try:
                yield from pool.map(task, batch, chunksize=CHUNK)
            except BrokenProcessPool as error:
                raise UserError(
                    f"A process that decodes images was killed, between {batch[0]!r} and "
                    f"{batch[-1]!r}. If memory ran out, use fewer: --set-threads ingest=1."
                ) from error


def _write_header(file: BinaryIO, count: int, size: int) -> int:
    """Write a .npy header for uint8 [count, size, size, 3]; return where it ends."""
    shape = (count, size, size, 3)
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    file.seek(0)
    np.lib.format.write_array_header_1_0(file, header)
    return file.tell()


def decode_folder(
    listing: pd.DataFrame, root: Path | str, size: int, pixels_path: Path | str, workers: int
) -> tuple[pd.DataFrame, list[Rejected]]:
    """Decode all listed images into one .npy file, uint8 [images, size, size, 3].

    Args:
        listing: Frame [rows, columns] with at least `path`, relative to `root`.
        root: Folder of the images.
        size: Side of the stored squares.
        pixels_path: The .npy file to write.
        workers: Processes to decode with; 1 or less decodes in this process.

    Returns:
        The decoded rows (sample_id, the listing's columns, sha256, width, height;
        sample_id is the row in the array) and the rejected ones.

    Raises:
        OSError: The array cannot be written.
    """
    paths = [str(path) for path in listing["path"]]
    outcomes = tqdm(
        _decode_all(paths, str(root), size, workers), total=len(paths), desc="decode", mininterval=5
    )
    kept: list[tuple[int, str, int, int]] = []
    rejected: list[Rejected] = []
    with atomic_path(pixels_path) as temporary, temporary.open("w+b") as file:
        start = _write_header(file, len(paths), size)
        for row, outcome in enumerate(outcomes):
            if isinstance(outcome, str):
                rejected.append(Rejected(paths[row], outcome))
                continue
            file.write(outcome[0].tobytes())
            kept.append((row, *outcome[1:]))
        # numpy pads headers so that the count can change without moving the rows.
        end = _write_header(file, len(kept), size)
        assert end == start, "the .npy header changed its length"
    return _describe(listing, kept), rejected


def _describe(listing: pd.DataFrame, kept: list[tuple[int, str, int, int]]) -> pd.DataFrame:
    """Return the listing's kept rows with what decoding found out."""
    images = listing.iloc[[row for row, *_ in kept]].reset_index(drop=True)
    images.insert(0, "sample_id", np.arange(len(kept), dtype=np.int64))
    images["sha256"] = pd.Series([digest for _, digest, _, _ in kept], dtype="string")
    images["width"] = np.array([width for _, _, width, _ in kept], dtype=np.int32)
    images["height"] = np.array([height for _, _, _, height in kept], dtype=np.int32)
    return images


def check_rejected(rejected: list[Rejected], total: int, maximum: float) -> None:
    """Stop when too large a share of what was found had to be left out.

    Args:
        rejected: What was left out of the data set.
        total: Number of files and folders found, the rejected ones among them.
        maximum: Largest share accepted, from 0 to 1.

    Raises:
        UserError: The share of rejected files is larger than `maximum`.
    """
    if not total or len(rejected) / total <= maximum:
        return
    by_reason: dict[str, list[str]] = {}
    for path, reason in rejected:
        # "12 bytes not processed" and "34 bytes not processed" are one reason.
        by_reason.setdefault(re.sub(r"[\d,]+", "…", reason), []).append(path)
    listed = sorted(by_reason.items(), key=lambda item: -len(item[1]))
    lines = [
        f"  {len(paths)}: {reason} ({', '.join(map(repr, paths[:EXAMPLES]))}"
        f"{', ...' if len(paths) > EXAMPLES else ''})"
        for reason, paths in listed[:SHOWN]
    ]
    more = [f"  and {len(listed) - SHOWN} more reasons"] if len(listed) > SHOWN else []
    raise UserError(
        f"{len(rejected)} of {total} files had to be left out, more than the accepted share "
        f"{maximum:g}:\n" + "\n".join(lines + more) + "\n"
        "Repair or remove these files, or raise dataset.max_rejected."
    )


def check_classes(listing: pd.DataFrame, images: pd.DataFrame) -> None:
    """Check that no class lost all its images.

    Args:
        listing: Frame [rows, columns] with the `label` of what was listed.
        images: The same of what was decoded.

    Raises:
        UserError: None of a class's images could be read.
    """
    lost = sorted(set(listing["label"]) - set(images["label"]))
    if lost:
        raise UserError(
            f"No image of the classes {lost} can be read. Repair their images, or remove their "
            "folders or rows."
        )
