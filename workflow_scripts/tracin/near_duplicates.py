"""Groups of images that show nearly the same picture, within and across splits."""

from __future__ import annotations

import numpy as np
import pandas as pd
from imagehash import phash
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from tqdm import tqdm

from tracin.mapped import let_go

BITS = 64


def picture_hashes(pixels: np.ndarray) -> np.ndarray:
    """Perceptual hash of each image: bool [n, 64], from uint8 [n, H, W, 3]."""
    hashes = []
    for image in tqdm(pixels, desc="hash"):
        hashes.append(phash(Image.fromarray(image)).hash.ravel())
        let_go(image)
    return np.stack(hashes)


def close_pairs(hashes: np.ndarray, most: int) -> np.ndarray:
    """Pairs of rows whose hashes [n, 64] differ in at most `most` bits: int [pairs, 2].

    Exact: of `most` + 1 bands of bits at least one is equal in such a pair, so only rows that
    share a band are compared.
    """
    found = [np.zeros((0, 2), dtype=np.int64)]
    for band in np.array_split(np.arange(BITS), most + 1):
        _, codes = np.unique(hashes[:, band], axis=0, return_inverse=True)
        for rows in pd.Series(codes).groupby(codes).indices.values():
            for place, row in enumerate(rows[:-1]):
                others = rows[place + 1 :]
                near = others[(hashes[others] != hashes[row]).sum(axis=1) <= most]
                found.append(np.column_stack([np.full(len(near), row), near]))
    return np.unique(np.concatenate(found), axis=0)


def near_duplicates(pixels: np.ndarray, manifest: pd.DataFrame, most: int) -> pd.DataFrame:
    """One row per image that has a near-duplicate, group by group.

    Args:
        pixels: uint8 [n, H, W, 3], row = sample_id.
        manifest: sample_id, path, split, label.
        most: Bits of 64 in which two perceptual hashes may differ.

    Returns:
        Columns group (from 1), sample_id, path, split, label, distance (bits from the group's
        first image) and reason; groups that straddle splits or labels come first.
    """
    hashes = picture_hashes(pixels)
    # Equal hashes are one node, so that a thousand blank images are not half a million pairs.
    unique, node = np.unique(hashes, axis=0, return_inverse=True)
    pairs = close_pairs(unique, most)
    size = len(unique)
    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(size, size))
    group = connected_components(graph, directed=False)[1][node]
    frame = manifest[["sample_id", "path", "split", "label"]].assign(group=group)
    frame = frame[frame.groupby("group")["sample_id"].transform("size") > 1]
    first = frame.groupby("group")["sample_id"].transform("min").to_numpy()
    frame["distance"] = (hashes[frame["sample_id"]] != hashes[first]).sum(axis=1)
    splits, labels = (
        frame.groupby("group")[name].transform("nunique") > 1 for name in ("split", "label")
    )
    frame["reason"] = "nearly the same picture"
    frame.loc[splits, "reason"] += ", in several splits"
    frame.loc[labels, "reason"] += ", with several labels"
    frame["weight"] = -(splits.astype(int) + labels.astype(int))
    frame = frame.sort_values(["weight", "group", "sample_id"])
    frame["group"] = pd.factorize(frame["group"])[0] + 1
    columns = ["group", "sample_id", "path", "split", "label", "distance", "reason"]
    return frame[columns].reset_index(drop=True)
