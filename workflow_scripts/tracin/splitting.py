"""Splits, planted label noise and the manifest of a data set."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

from tracin.errors import UserError

LOGGER = logging.getLogger(__name__)
SHOWN = 5
COLUMNS = ["sample_id", "path", "sha256", "width", "height", "split", "label", "true_label"]


def map_class_names(labels: pd.Series, mapping: Mapping[str, str]) -> pd.Series:
    """Return labels [n] with the names in `mapping` replaced; others and nulls stay."""
    # YAML reads keys such as 0 as numbers, while labels are always text.
    names = {str(key): str(value) for key, value in mapping.items()}
    return (
        labels.astype("string")
        .map(lambda name: names.get(name, name), na_action="ignore")
        .astype("string")
    )


def _hold_out(groups: pd.Series, share: float, seed: int, name: str) -> set[str]:
    """Choose a stratified share of contents (index: sha256, values: label)."""
    if share == 0:
        return set()
    if not 0 < share < 1:
        raise UserError(f"dataset.{name} is {share}. Set it to a share from 0 to below 1.")
    counts = groups.value_counts()
    few = sorted(counts.index[counts < 2])
    if few:
        raise UserError(
            f"The {name} split needs at least 2 different images of every class, but these have "
            f"only one left: {few[:5]}. Add images to them, or remove these classes."
        )
    try:
        _, held = train_test_split(
            groups.index.to_numpy(dtype=object),
            test_size=share,
            random_state=seed,
            stratify=groups.to_numpy(dtype=object),
        )
    except ValueError as error:
        raise UserError(
            f"Cannot take a share of {share} as the {name} split of {len(groups)} different images "
            f"in {len(counts)} classes (smallest: {counts.index[-1]!r} with {counts.iloc[-1]}): "
            f"{error}. Add images, or change dataset.{name}."
        ) from error
    return set(held)


def split_faults(images: pd.DataFrame) -> pd.DataFrame:
    """Return the images [m, 4] without a split where others have one, or with bytes in two of them.

    Columns: sha256, path, label, split; sorted by sha256 and path.
    """
    columns = ["sha256", "path", "label", "split"]
    given = images.reindex(columns=columns)
    bare = given["split"].isna()
    torn = given.groupby("sha256")["split"].transform("nunique") > 1
    found = given[:0] if bare.all() else given[bare | torn]
    return found.sort_values(["sha256", "path"])


def _check_given(images: pd.DataFrame, test: float) -> None:
    """Raise unless every row has a split and no content lies in two of them."""
    faults = split_faults(images)
    bare = list(faults.loc[faults["split"].isna(), "path"])
    if bare:
        raise UserError(
            f"{len(bare)} images lack a split while others have one: {bare[:SHOWN]}. Fill the "
            "split column for every row, or leave it out. "
            "results/logs/dataset/split_faults.csv lists them all."
        )
    if len(faults):
        parts = [
            ", ".join(f"{path} ({split})" for path, split in part.to_numpy())
            for _, part in faults.groupby("sha256")[["path", "split"]]
        ]
        raise UserError(
            f"{len(parts)} images lie with the same bytes in two given splits: "
            + "; ".join(parts[:SHOWN])
            + ". Keep each in one split only. results/logs/dataset/split_faults.csv lists them all."
        )
    needed = ["train"] + (["test"] if test > 0 else [])
    lacking = [name for name in needed if name not in set(images["split"])]
    if lacking:
        raise UserError(f"The given splits hold no {lacking} images. Add some, or give no split.")


def assign_splits(images: pd.DataFrame, test: float, val: float, seed: int) -> pd.Series:
    """Assign every image to train, val or test, equal bytes always to the same.

    Args:
        images: Frame [n, columns] with path, sha256, label and optionally split.
        test: Share of all different images held out when no split is given.
        val: Share of the training images held out when no val split is given.
        seed: Seed of the choice.

    Returns:
        Text series [n] on the index of `images`.

    Raises:
        UserError: Given splits are incomplete or overlap, or a class is too small.
    """
    # Sorted contents make the choice independent of the order of the rows.
    groups = images.groupby("sha256", sort=True)["label"].min()
    if "split" in images.columns and images["split"].notna().any():
        _check_given(images, test)
        splits = images["split"].astype("string")
        if (splits == "val").any():
            return splits.copy()
    else:
        splits = pd.Series("train", index=images.index, dtype="string")
        splits[images["sha256"].isin(_hold_out(groups, test, seed, "test"))] = "test"
    training = groups[groups.index.isin(images.loc[splits == "train", "sha256"])]
    held = images["sha256"].isin(_hold_out(training, val, seed, "val"))
    return splits.mask(held, "val").rename("split")


def plant_noise(labels: pd.Series, splits: pd.Series, share: float, seed: int) -> pd.Series:
    """Give round(share * training images) training images another label.

    Args:
        labels: Text labels [n].
        splits: Splits [n] on the same index.
        share: Share of the training images, from 0 to 1.
        seed: Seed of the choice.

    Returns:
        The labels [n]; every changed one is uniform over the other classes.

    Raises:
        UserError: `share` is outside 0..1 or there are fewer than two classes.
    """
    if not 0 <= share <= 1:
        raise UserError(f"dataset.planted_noise is {share}. Set it to a share from 0 to 1.")
    training = np.flatnonzero((splits == "train").to_numpy(dtype=bool))
    count = round(share * len(training))
    if not count:
        return labels.copy()
    classes = sorted(set(labels))
    if len(classes) < 2:
        raise UserError(
            f"Cannot plant label noise with the classes {classes}; at least 2 are needed. "
            "Add images of another class."
        )
    random = np.random.default_rng(seed)
    chosen = random.choice(training, size=count, replace=False)
    codes = {name: code for code, name in enumerate(classes)}
    shifts = random.integers(1, len(classes), size=count)
    values = list(labels)
    for row, shift in zip(chosen.tolist(), shifts.tolist(), strict=True):
        values[row] = classes[(codes[values[row]] + shift) % len(classes)]
    return pd.Series(values, index=labels.index, name=labels.name, dtype="string")


def find_conflicts(images: pd.DataFrame) -> pd.DataFrame:
    """Return the images [m, 4] whose bytes also occur under another label.

    Columns: sha256, path, label, split; sorted by sha256 and path.
    """
    kinds = images.groupby("sha256")["label"].transform("nunique")
    columns = ["sha256", "path", "label", "split"]
    found = images.loc[kinds > 1, columns]
    return found.sort_values(["sha256", "path"]).reset_index(drop=True)


def _true_labels(frame: pd.DataFrame, mapping: Mapping[str, str], known: bool) -> pd.Series:
    """Return the true labels [n], filled from the given labels when those are known to be true."""
    given = pd.Series(pd.NA, index=frame.index, dtype="string")
    if "true_label" in frame.columns:
        given = map_class_names(frame["true_label"], mapping)
    return given.fillna(frame["label"]) if known else given


def _warn(labels: pd.Series, class_names: Mapping[str, str], classes: list[str]) -> None:
    """Say in the log what looks like a slip in the names of classes."""
    unused = sorted({str(name) for name in class_names} - set(labels))
    if unused:
        LOGGER.warning("dataset.class_names renames labels that do not occur: %s", unused[:5])
    alike: dict[str, list[str]] = {}
    for name in classes:
        alike.setdefault(name.strip().casefold(), []).append(name)
    for names in alike.values():
        if len(names) > 1:
            LOGGER.warning("classes whose names look alike are kept apart: %s", names)


def _warn_of_lacking(images: pd.DataFrame, classes: list[str]) -> None:
    """Say in the log which classes a split has no image of."""
    for split, labels in images.groupby("split")["label"]:
        if lacking := sorted(set(classes) - set(labels)):
            LOGGER.warning("the %s split has no image of the classes %s", split, lacking[:5])


def build_manifest(
    images: pd.DataFrame,
    class_names: Mapping[str, str],
    test: float,
    val: float,
    seed: int,
    planted_noise: float,
    truth_known: bool,
) -> tuple[pd.DataFrame, list[str], pd.DataFrame]:
    """Build the manifest of a data set.

    Args:
        images: Frame [n, columns] of decoded images.
        class_names: Readable names for labels.
        test: Share of the test split.
        val: Share of the training images for the val split.
        seed: Seed of the splits and the noise.
        planted_noise: Share of training labels to change.
        truth_known: Whether the given labels are known to be true.

    Returns:
        The manifest [n, 8], the sorted class names, and the images [m, 4] with
        equal bytes under different labels, planted ones included.

    Raises:
        UserError: There are fewer than two classes, or splitting fails.
    """
    frame = images.assign(label=map_class_names(images["label"], class_names))
    classes = sorted(str(name) for name in frame["label"].unique())
    _warn(images["label"], class_names, classes)
    if len(classes) < 2:
        raise UserError(
            f"The data set has the classes {classes}; at least 2 are needed. "
            "Add images of another class."
        )
    frame["split"] = assign_splits(frame, test, val, seed)
    _warn_of_lacking(frame, classes)
    frame["true_label"] = _true_labels(frame, class_names, truth_known or planted_noise > 0)
    frame["label"] = plant_noise(frame["label"], frame["split"], planted_noise, seed)
    return frame[COLUMNS].reset_index(drop=True), classes, find_conflicts(frame)
