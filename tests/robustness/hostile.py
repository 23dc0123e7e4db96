"""A data set made by someone who means harm, small enough to run everything on it in a minute."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import yaml
from PIL import Image, PngImagePlugin

# Each would leave a file `pwned` behind, or break a page, if anything ran or resolved it.
CLASSES = (
    "</script><script>document.title='pwned'</script>",
    "=cmd|'/C touch pwned'!A0 --><script>document.title='pwned'</script>",
    "../../pwned",
    "{wildcard} $(touch pwned) `touch pwned`",
)
NAMES = (
    "$(touch pwned).png",
    "`touch pwned`.png",
    "; touch pwned #.png",
    "{wildcard}{labels}.png",
    "<img src=x onerror=document.title='pwned'>.png",
    "\"quotes\" and 'quotes'.png",
    "=HYPERLINK(pwned).png",
    "-rf.png",
    "..two dots..png",
    "%s %(x)s {0} {{}} \\n.png",
    "two\nlines.png",
    "\x1b]0;pwned\x07\x1b[31mred.png",
    "émoji 🦊 \u202egnp.png",
)
OVERLAY = {
    "dataset": {
        "source": "manifest",
        "path": "data/raw/labels.csv",
        "stored_size": 20,
        "max_rejected": 0.5,
    },
    "train": {"input_size": 16, "batch_size": 16, "epochs": 1, "checkpoint_every": 1},
    "influence": {
        "checkpoints": 2,
        "top_k": 5,
        "shards": {"train": 1, "val": 1, "test": 1},
        "tiles": {"train": 1, "test": 1},
    },
    "label_errors": {"opponents": 5, "neighbours": 10, "random_views": 1},
    "figures": {"grid_images": 6, "mistakes": 2, "per_mistake": 2, "detailed": 1},
    "compute": {"device": "cpu", "batch_size": 32},
}
IMAGES = 24


def write_image(path: Path, colour: np.ndarray, random: np.random.Generator) -> None:
    """A noisy 20-pixel square of one colour [3] whose metadata carries a script."""
    pixels = np.clip(colour + random.normal(0, 40, (20, 20, 3)), 0, 255).astype(np.uint8)
    text = PngImagePlugin.PngInfo()
    text.add_itxt("Title", "<script>document.title='pwned'</script> $(touch pwned)")
    exif = Image.Exif()
    exif[0x010E] = "=cmd|'/C touch pwned'!A0"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, format="PNG", pnginfo=text, exif=exif)


def write_dataset(folder: Path) -> None:
    """Images below `folder`/data/raw, their manifest, and `folder`/overlay.yaml."""
    random = np.random.default_rng(0)
    rows = []
    for number, name in enumerate(CLASSES):
        colour = random.uniform(60, 200, 3)
        for index in range(IMAGES):
            image = NAMES[index] if index < len(NAMES) else f"{index}.png"
            path = f"<b>{number}</b> $(touch pwned)/{image}"
            write_image(folder / "data/raw" / path, colour, random)
            rows.append((path, name))
    rows.append(("no image $(touch pwned)\n=1+1.png", CLASSES[0]))
    (folder / "data/raw" / rows[-1][0]).write_bytes(b"<script>document.title='pwned'</script>")
    with open(folder / "data/raw/labels.csv", "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("path", "label"), *rows])
    (folder / "overlay.yaml").write_text(yaml.safe_dump(OVERLAY), encoding="utf-8")
