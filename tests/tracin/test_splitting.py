"""Tests of splits, noise and the manifest."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracin.splitting import (
    assign_splits,
    build_manifest,
    find_conflicts,
    map_class_names,
    plant_noise,
    split_faults,
)


def _images(count: int = 60, copies: int = 1) -> pd.DataFrame:
    rows = [
        {
            "path": f"{n}-{c}.png",
            "sha256": f"{n:04d}",
            "label": "abc"[n % 3],
            "width": 1,
            "height": 1,
        }
        for n in range(count)
        for c in range(copies)
    ]
    return pd.DataFrame(rows).assign(sample_id=range(len(rows)))


@given(
    count=st.integers(40, 90),
    copies=st.integers(1, 3),
    seed=st.integers(0, 2**32 - 1),
    test=st.sampled_from([0.1, 0.2, 0.4]),
    val=st.sampled_from([0.0, 0.1, 0.3]),
)
def test_content_never_straddles(
    count: int, copies: int, seed: int, test: float, val: float
) -> None:
    images = _images(count, copies)
    splits = assign_splits(images, test, val, seed)
    assert splits.groupby(images["sha256"]).nunique().max() == 1
    assert set(splits) == {"train", "test"} | ({"val"} if val else set())
    shuffled = images.sample(frac=1, random_state=1)
    assert assign_splits(shuffled, test, val, seed).sort_index().equals(splits)


def test_given_splits_are_kept_and_val_is_taken_from_train() -> None:
    images = _images()
    images["split"] = ["test" if n >= 45 else "train" for n in range(60)]
    splits = assign_splits(images, 0.2, 0.2, 0)
    assert ((splits == "test") == (images["split"] == "test")).all()
    assert (splits == "val").sum() == 9
    images.loc[:3, "split"] = "val"
    assert list(assign_splits(images, 0.2, 0.2, 0)) == list(images["split"])


def test_bad_given_splits() -> None:
    images = _images(copies=2)
    images["split"] = ["train", "test"] * 60
    with pytest.raises(ValueError, match=r"60 images lie with the same bytes.*0-0.png.*faults"):
        assign_splits(images, 0.2, 0.2, 0)
    assert sorted(split_faults(images)["path"]) == sorted(images["path"])
    images.loc[3, "split"] = None
    with pytest.raises(ValueError, match=r"1 images lack a split.*1-1.png.*split_faults"):
        assign_splits(images, 0.2, 0.2, 0)
    images["split"] = ["train"] * 100 + [None] * 20
    assert list(split_faults(images)["sha256"]) == sorted(images["sha256"][100:])
    for sound in (images.assign(split=None), images.assign(split="train"), _images()):
        assert split_faults(sound).empty
    with pytest.raises(ValueError, match=r"no .'test'. images"):
        assign_splits(_images().assign(split="train"), 0.2, 0.2, 0)


def test_small_classes_are_explained() -> None:
    images = _images()
    images.loc[0, "label"] = "rare"
    with pytest.raises(ValueError, match=r"only one left.*rare"):
        assign_splits(images, 0.2, 0.2, 0)
    with pytest.raises(ValueError, match=r"Cannot take a share of 0.01"):
        assign_splits(_images(), 0.01, 0.2, 0)


@given(share=st.floats(0, 1), seed=st.integers(0, 1000))
def test_noise_is_exact_and_reproducible(share: float, seed: int) -> None:
    images = _images()
    splits = assign_splits(images, 0.2, 0.1, 0)
    noisy = plant_noise(images["label"], splits, share, seed)
    changed = noisy != images["label"]
    assert changed.sum() == round(share * (splits == "train").sum())
    assert not changed[splits != "train"].any()
    assert list(noisy) == list(plant_noise(images["label"], splits, share, seed))


def test_seeds_matter() -> None:
    images = _images()
    assert not assign_splits(images, 0.2, 0.1, 0).equals(assign_splits(images, 0.2, 0.1, 1))


def test_conflicts() -> None:
    images = _images(4, 2).assign(split="train")
    images.loc[1, "label"] = "other"
    assert list(find_conflicts(images)["path"]) == ["0-0.png", "0-1.png"]


def test_copies_that_planted_noise_tells_apart_are_conflicts() -> None:
    images = _images()
    twice = pd.concat([images, images.assign(path="copies/" + images["path"])], ignore_index=True)
    manifest, _, conflicts = build_manifest(twice, {}, 0.2, 0.1, 3, 0.25, False)
    kinds = manifest.groupby("sha256")["label"].nunique()
    assert set(conflicts["sha256"]) == set(kinds.index[kinds > 1]) != set()


def test_class_names_keep_nulls() -> None:
    mapped = map_class_names(pd.Series(["0", None, "z"]), {0: "zero"})  # type: ignore[dict-item]
    assert mapped.tolist()[::2] == ["zero", "z"] and mapped.isna().tolist() == [False, True, False]


def test_manifest_truth() -> None:
    images = _images()
    names = {"a": "ant"}
    manifest, classes, conflicts = build_manifest(images, names, 0.2, 0.1, 3, 0.25, False)
    assert classes == ["ant", "b", "c"] and conflicts.empty
    wrong = manifest["label"] != manifest["true_label"]
    assert wrong.sum() == round(0.25 * (manifest["split"] == "train").sum())
    clean, _, _ = build_manifest(images, names, 0.2, 0.1, 3, 0.0, False)
    assert clean["true_label"].isna().all()
    known, _, _ = build_manifest(images, names, 0.2, 0.1, 3, 0.0, True)
    assert (known["true_label"] == known["label"]).all()
    told = images.assign(true_label="a")
    assert set(build_manifest(told, names, 0.2, 0.1, 3, 0.0, False)[0]["true_label"]) == {"ant"}
    with pytest.raises(ValueError, match=r"at least 2"):
        build_manifest(images.assign(label="a"), {}, 0.2, 0.1, 3, 0.0, False)


def test_classes_that_a_split_lacks_are_said(caplog: pytest.LogCaptureFixture) -> None:
    images = _images()
    images["split"] = ["val" if n < 9 else "test" if n < 20 else "train" for n in range(60)]
    images.loc[[1, 4, 7], "split"] = "train"  # those of class b
    build_manifest(images, {}, 0.2, 0.1, 0, 0.0, False)
    assert "the val split has no image of the classes ['b']" in caplog.text
    assert "train split" not in caplog.text and "test split" not in caplog.text


def test_names_that_look_alike_are_kept_apart_and_said(caplog: pytest.LogCaptureFixture) -> None:
    images = _images()
    images["label"] = images["label"].replace({"a": "B", "c": " b"}).astype("string")
    _, classes, _ = build_manifest(images, {"cane": "dog"}, 0.2, 0.1, 3, 0.0, False)
    assert classes == [" b", "B", "b"]
    assert "[' b', 'B', 'b']" in caplog.text and "['cane']" in caplog.text
