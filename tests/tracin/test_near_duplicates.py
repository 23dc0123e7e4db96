"""Near-duplicates: found whatever the change, and every close pair of hashes."""

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

from tracin.near_duplicates import close_pairs, near_duplicates


def picture(seed: int) -> Image.Image:
    """A smooth random picture of 48 pixels."""
    noise = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((48, 48), Image.Resampling.BICUBIC)


def test_changed_copies_are_grouped_and_straddling_groups_come_first() -> None:
    a, b = picture(0), picture(1)
    images = [picture(9), a, b, ImageEnhance.Brightness(a).enhance(0.8), picture(2)]
    images.append(b.resize((24, 24)).resize((48, 48)))
    manifest = pd.DataFrame(
        {
            "sample_id": range(6),
            "path": [f"{i}.png" for i in range(6)],
            "split": ["train", "train", "train", "train", "test", "test"],
            "label": ["x"] * 6,
        }
    )
    table = near_duplicates(np.stack([np.asarray(i) for i in images]), manifest, 4)
    assert table[["group", "sample_id"]].to_numpy().tolist() == [[1, 2], [1, 5], [2, 1], [2, 3]]
    assert (
        table["reason"].tolist()
        == ["nearly the same picture, in several splits"] * 2 + ["nearly the same picture"] * 2
    )
    none = near_duplicates(np.stack([np.asarray(i) for i in images[:3]]), manifest[:3], 4)
    assert none.empty and list(none.columns) == list(table.columns)


@given(st.integers(0, 1000), st.integers(2, 25), st.integers(0, 8))
def test_every_close_pair_is_found(seed: int, n: int, most: int) -> None:
    rng = np.random.default_rng(seed)
    base = rng.random(64) < 0.5
    hashes = base ^ (rng.random((n, 64)) < 0.05)
    apart = (hashes[:, None] != hashes[None]).sum(axis=2)
    expected = np.argwhere(np.triu(apart <= most, k=1))
    assert close_pairs(hashes, most).tolist() == expected.tolist()
