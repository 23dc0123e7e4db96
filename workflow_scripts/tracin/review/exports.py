"""The label set for other tools: a manifest, a folder tree, and issues as cleanlab names them."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Literal
from urllib.parse import quote

import numpy as np
import pandas as pd

from tracin.errors import UserError

UNSAFE = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|%]')
# Bytes of a file's own name that stay: with the id before it that is below what file systems take.
LONGEST_NAME = 240


def kept_images(manifest: pd.DataFrame, labels: pd.DataFrame, classes: list[str]) -> pd.DataFrame:
    """The images that the label set keeps: sample_id, path, label, split, sha256.

    The paths are relative to the data set's folder, so the table is a manifest that this workflow
    reads (`dataset.source: manifest`) when it lies there.
    """
    table = manifest[["sample_id", "path", "split", "sha256"]].copy()
    table.insert(2, "label", np.array(classes, dtype=object)[labels["label_index"]])
    return table[labels["keep"].to_numpy()].reset_index(drop=True)


def label_issues(suspects: pd.DataFrame) -> pd.DataFrame:
    """The suspects with the columns of cleanlab's `CleanLearning.get_label_issues`.

    path, is_label_issue, label_quality (1 is surely right), given_label, predicted_label; in the
    order of the training images, as cleanlab has it.
    """
    table = suspects.sort_values("train_id")
    return pd.DataFrame(
        {
            "path": table["path"],
            "is_label_issue": table["suspected"],
            "label_quality": 1 - table["suspicion"],
            "given_label": table["label"],
            "predicted_label": table["suggested_label"],
        }
    ).reset_index(drop=True)


def export_tree(
    images: pd.DataFrame, root: Path, folder: Path, kind: Literal["link", "copy"]
) -> int:
    """Lay images out as `folder/split/class/id-name`, linked or copied; the number of images.

    `images` is what `kept_images` returns, `root` the folder that its paths are relative to.

    Raises:
        UserError: An image is no longer there.
    """
    unfinished = folder.with_name(f".{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    for source, target in _places(images, root.resolve()):
        if not source.is_file():
            raise UserError(f"{source} is gone since the images were read.")
        place = unfinished / target
        place.parent.mkdir(parents=True, exist_ok=True)
        if kind == "link":
            place.symlink_to(source)
        else:
            shutil.copyfile(source, place)
    unfinished.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(unfinished, folder)
    return len(images)


def _places(images: pd.DataFrame, root: Path) -> Iterator[tuple[Path, Path]]:
    """Each image's file and its place in the tree; the id tells images of equal names apart."""
    for row in images.itertuples(index=False):
        original = file_name(PurePosixPath(str(row.path)).name)
        name = f"{row.sample_id:06d}-{original.encode()[-LONGEST_NAME:].decode(errors='ignore')}"
        yield root / str(row.path), Path(str(row.split)) / file_name(str(row.label)) / name


def file_name(text: str) -> str:
    """A file name for a text, and for no other: what a file system refuses is percent-encoded."""
    name = UNSAFE.sub(lambda match: quote(match[0], safe=""), text)
    # "." and ".." are folders, and what starts with a dot is hidden.
    return f"%2E{name[1:]}" if name.startswith(".") else name
