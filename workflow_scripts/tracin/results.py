"""Reading the results that many figures and tables start from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from tracin.crossref import image_table

Location = Path | str


def read_classes(path: Location) -> list[str]:
    """The class names; a class's place is its index."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def read_images(predictions: Location, manifest: Location, classes: Location) -> pd.DataFrame:
    """The table of `tracin.crossref.image_table`."""
    return image_table(
        pd.read_parquet(
            predictions,
            columns=["sample_id", "split", "label_index", "predicted_index", "confidence"],
        ),
        pd.read_parquet(manifest, columns=["sample_id", "path", "true_label"]),
        read_classes(classes),
    )


def read_runs(
    seeds: Sequence[int],
    predictions: Sequence[Location],
    topk: Sequence[Location],
    labels: Location,
    manifest: Location,
    classes: Location,
) -> tuple[dict[int, pd.DataFrame], dict[int, pd.DataFrame]]:
    """Image tables, without images that a review removed, and top-k lists of runs, by seed."""
    keep = pd.read_parquet(labels, columns=["sample_id", "keep"]).set_index("sample_id")["keep"]
    images = {}
    for seed, path in zip(seeds, predictions, strict=True):
        table = read_images(path, manifest, classes)
        images[seed] = table[keep.loc[table.index]]
    return images, {s: pd.read_parquet(p) for s, p in zip(seeds, topk, strict=True)}
