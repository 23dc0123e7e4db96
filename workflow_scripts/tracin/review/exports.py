"""The label set for other tools: a manifest, a folder tree, and issues as cleanlab names them."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Literal
from urllib.parse import quote

import numpy as np
import pandas as pd

from tracin.errors import Fault, UserError, refuse
from tracin.sources import from_text, read_file

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
        UserError: Images can't be read or hold other bytes than when the data set was read.
    """
    unfinished = folder.with_name(f".{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    faults = []
    for row, source, target in _places(images, root.resolve()):
        try:
            content = read_file(source, root)
        except UserError as error:
            faults.append(Fault(repr(row.path), str(error)))
            continue
        if hashlib.sha256(content).hexdigest() != row.sha256:
            faults.append(Fault(repr(row.path), "the file has changed (its SHA-256 differs)"))
            continue
        place = unfinished / target
        place.parent.mkdir(parents=True, exist_ok=True)
        if kind == "link":
            place.symlink_to(source)
        else:
            place.write_bytes(content)
    if faults:
        shutil.rmtree(unfinished)
    refuse(
        "Images are not what they were when the data set was read; nothing was exported. Put them "
        "back, or read the data set again: snakemake --forcerun ingest.",
        faults,
    )
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(unfinished, folder)
    return len(images)


def _places(images: pd.DataFrame, root: Path) -> Iterator[tuple[Any, Path, Path]]:
    """Each image's row, file and place in the tree; the id tells images of equal names apart."""
    for row in images.itertuples(index=False):
        original = file_name(PurePosixPath(str(row.path)).name)
        name = f"{row.sample_id:06d}-{original.encode()[-LONGEST_NAME:].decode(errors='ignore')}"
        source = root / from_text(str(row.path))
        yield row, source, Path(str(row.split)) / folder_name(str(row.label)) / name


def file_name(text: str) -> str:
    """A file name for a text, and for no other: what a file system refuses is percent-encoded."""
    name = UNSAFE.sub(lambda match: quote(match[0], safe=""), text)
    # "." and ".." are folders, and what starts with a dot is hidden.
    return f"%2E{name[1:]}" if name.startswith(".") else name


def folder_name(label: str) -> str:
    """`file_name`, with a digest in place of what no file system has room for."""
    whole = file_name(label).encode()
    if len(whole) <= LONGEST_NAME:
        return whole.decode()
    digest = hashlib.sha256(label.encode()).hexdigest()[:12]
    return f"{whole[: LONGEST_NAME - 13].decode(errors='ignore')}~{digest}"
