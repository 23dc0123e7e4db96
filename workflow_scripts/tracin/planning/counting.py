"""How many images a run will have, before they are decoded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from tracin.digits import IMAGES as DIGITS
from tracin.listing import list_folder
from tracin.manifests import list_manifest
from tracin.planning.costs import Data

CLASSES = 10  # where nothing tells


def count_images(
    settings: Mapping[str, Any], folder: Path, images: int | None = None, listed: bool = True
) -> tuple[Data, list[Path], str]:
    """Images by split, some of their files, and in words where they were counted.

    The manifest of a run counts, or else the source of the data set; a given number of `images`
    is cut into the shares of `dataset.test` and `dataset.val`. Paths are relative to `folder`. If
    not `listed`, the manifest there is of other images.

    Raises:
        OSError: the data set is not there.
        ValueError: it holds no images, or is no table of images.
    """
    dataset = settings["dataset"]
    manifest = folder / "results" / "dataset" / "manifest.parquet"
    if images is not None:
        named = len(set(dataset["class_names"].values())) or CLASSES
        return Data(_shares(dataset, images), named), [], "as given"
    if listed and manifest.exists():
        table = pd.read_parquet(manifest)
        return Data(_splits(table["split"]), table["label"].nunique()), [], str(manifest)
    if dataset["source"] == "digits":
        return Data(_shares(dataset, DIGITS), CLASSES), [], "the built-in digits"
    path = folder / dataset["path"]
    if dataset["source"] == "manifest":
        table, root = list_manifest(path, dataset["label_column"]), path.parent
    else:
        table, root = list_folder(path)[0], path
    given = "split" in table and table["split"].notna().any()
    splits = _splits(table["split"]) if given else _shares(dataset, len(table))
    some = [root / name for name in table["path"][:: max(1, len(table) // 32)]]
    return Data(splits, table["label"].nunique()), some, str(path)


def _splits(split: pd.Series) -> dict[str, int]:
    return {name: int((split == name).sum()) for name in ("train", "val", "test")}


def _shares(dataset: Mapping[str, Any], images: int) -> dict[str, int]:
    test = round(images * dataset["test"])
    val = round((images - test) * dataset["val"])
    return {"train": images - test - val, "val": val, "test": test}
