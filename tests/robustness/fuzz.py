"""Mutated image files for the image reader: `python -m tests.robustness.fuzz FIRST COUNT`.

Runs in a process of its own, so that a crash or a hang of a decoder is seen as such. Prints a line
of JSON: how many were read and rejected, most CPU seconds of a file, peak memory in megabytes.
"""

from __future__ import annotations

import faulthandler
import io
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from tracin.decoding import decode_folder

HANG = 20  # wall-clock seconds on a busy machine; the limit of CPU time is the test's
INTERESTING = np.array([0x00, 0x01, 0x7F, 0x80, 0xFE, 0xFF], np.uint8)


def seeds(random: np.random.Generator) -> list[bytes]:
    """Small valid files of every format and mode that is read."""
    colour = Image.fromarray(random.integers(0, 256, (23, 31, 3), dtype=np.uint8))
    wide = Image.fromarray(random.integers(0, 65536, (23, 31), dtype=np.uint16))
    exif = Image.Exif()
    exif[0x0112] = 6
    frames = [colour.convert("P"), colour.rotate(90).convert("P")]
    kinds: list[tuple[Image.Image, str, dict[str, object]]] = [
        (colour, "JPEG", {"exif": exif}),
        (colour, "JPEG", {"progressive": True, "quality": 30}),
        (colour.convert("CMYK"), "JPEG", {}),
        (colour.convert("L"), "JPEG", {}),
        (colour, "PNG", {"exif": exif}),
        (colour.convert("P"), "PNG", {"transparency": 3}),
        (colour.convert("LA"), "PNG", {}),
        (colour.convert("1"), "PNG", {}),
        (wide, "PNG", {}),
        (colour, "BMP", {}),
        (colour.convert("P"), "BMP", {}),
        (frames[0], "GIF", {"save_all": True, "append_images": frames[1:]}),
        (colour, "WEBP", {"lossless": True}),
        (colour.convert("RGBA"), "WEBP", {"save_all": True, "append_images": [colour]}),
        (colour, "TIFF", {"compression": "tiff_lzw"}),
        (colour, "TIFF", {"compression": "jpeg"}),
    ]
    files = []
    for image, name, options in kinds:
        buffer = io.BytesIO()
        image.save(buffer, format=name, **options)
        files.append(buffer.getvalue())
    return files


def mutate(data: bytes, other: bytes, random: np.random.Generator) -> bytes:
    """One damaged version of a file: bytes changed, cut, doubled, or another file's grafted on."""
    content = np.frombuffer(data, np.uint8).copy()
    # Half of all changes hit the header, where sizes and offsets stand.
    reach = min(len(content), 64) if random.random() < 0.5 else len(content)
    kind = random.integers(5)
    if kind == 0:
        at = random.integers(reach, size=random.integers(1, 9))
        content[at] ^= (1 << random.integers(8, size=len(at))).astype(np.uint8)
    elif kind == 1:
        start = int(random.integers(reach))
        content[start : start + int(random.integers(1, 9))] = random.choice(INTERESTING)
    elif kind == 2:
        content = content[: random.integers(len(content))]
    elif kind == 3:
        start, end = sorted(random.integers(len(content), size=2))
        content = np.concatenate([content[:end], content[start:]])
    else:
        graft = np.frombuffer(other, np.uint8)
        content = np.concatenate([content[: random.integers(reach)], graft[random.integers(64) :]])
    return content.tobytes()


def read(folder: Path, name: str) -> bool:
    """Decode one file as the workflow does: True if it was read, False if rejected."""
    listing = pd.DataFrame({"path": [name], "label": ["x"]}, dtype="string")
    images, rejected = decode_folder(listing, folder, 16, folder / "pixels.npy", 1)
    assert len(images) + len(rejected) == 1
    return len(images) == 1


def main(first: int, count: int) -> None:
    slowest, accepted = 0.0, 0
    originals = seeds(np.random.default_rng(0))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(first, first + count):
            random = np.random.default_rng(number)
            pick, other = random.integers(len(originals), size=2)
            (folder / "image").write_bytes(mutate(originals[pick], originals[other], random))
            print(number, file=sys.stderr)
            # Ends the process even while a decoder holds the interpreter.
            faulthandler.dump_traceback_later(HANG, exit=True)
            start = time.process_time()
            accepted += read(folder, "image")
            slowest = max(slowest, time.process_time() - start)
        faulthandler.cancel_dump_traceback_later()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    result = {"read": accepted, "rejected": count - accepted, "slowest": slowest, "peak_mb": peak}
    print(json.dumps(result))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
