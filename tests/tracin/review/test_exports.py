"""Exports: what other tools read, with every image once and under a safe name."""

import hashlib
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tracin.review.tables import review_data
from tracin.errors import UserError
from tracin.manifests import list_manifest
from tracin.review.exports import export_tree, file_name, folder_name, kept_images, label_issues

DATA = review_data()


def corrected() -> pd.DataFrame:
    labels = DATA.labels.copy()
    labels.loc[0, "label_index"], labels.loc[3, "keep"] = 2, False
    return labels


def test_the_manifest_is_read_by_the_workflow(tmp_path: Path) -> None:
    kept = kept_images(DATA.manifest, corrected(), DATA.classes)
    kept.drop(columns="sample_id").to_parquet(tmp_path / "m.parquet")
    listing = list_manifest(tmp_path / "m.parquet", "label")
    assert len(listing) == len(DATA.manifest) - 1
    assert listing.set_index("path")["label"].loc[["cat/0.png", "cat/6.png"]].tolist() == [
        "dog",
        "cat",
    ]
    assert "cat/3.png" not in set(listing["path"])


def images_on_disk(root: Path) -> pd.DataFrame:
    """The kept images after the corrections, each a file that holds its own path."""
    kept = kept_images(DATA.manifest, corrected(), DATA.classes)
    for path in kept["path"]:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)
    kept["sha256"] = [hashlib.sha256(path.encode()).hexdigest() for path in kept["path"]]
    return kept


@pytest.mark.parametrize("kind", ["link", "copy"])
def test_tree(tmp_path: Path, kind: Literal["link", "copy"]) -> None:
    kept = images_on_disk(tmp_path / "in")
    folder = tmp_path / "out" / "images"
    for _ in range(2):
        assert export_tree(kept, tmp_path / "in", folder, kind) == len(kept)
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) == len(kept)
    moved = folder / "train" / "dog" / "000000-0.png"
    assert moved.read_text() == "cat/0.png" and moved.is_symlink() == (kind == "link")
    assert [path.name for path in folder.parent.iterdir()] == ["images"]


@pytest.mark.parametrize("kind", ["link", "copy"])
def test_images_changed_since_they_were_read_are_named(
    tmp_path: Path, kind: Literal["link", "copy"]
) -> None:
    root, folder = tmp_path / "in", tmp_path / "out" / "images"
    kept = images_on_disk(root)
    export_tree(kept, root, folder, kind)
    before = sorted(path.name for path in folder.rglob("*"))
    (root / "cat/0.png").write_text("edited")
    (root / "cat/6.png").unlink()
    with pytest.raises(UserError) as raised:
        export_tree(kept, root, folder, kind)
    assert "--forcerun ingest" in str(raised.value)
    assert str(raised.value).splitlines()[1:] == [
        "  'cat/0.png': the file has changed (its SHA-256 differs)",
        "  'cat/6.png': there is no such file, or it is a link to one that is gone",
    ]
    assert sorted(path.name for path in folder.rglob("*")) == before
    assert [path.name for path in folder.parent.iterdir()] == ["images"]


@given(st.text(min_size=1), st.text(min_size=1))
def test_names_stay_in_their_folder_and_apart(one: str, other: str) -> None:
    assert not set(file_name(one)) & set('/\\:*?"<>|\x00\n')
    assert not file_name(one).startswith(".")
    assert (file_name(one) == file_name(other)) == (one == other)


def test_long_classes_have_folders_of_their_own() -> None:
    long = ["x" * 300, "x" * 299, "\u6f22" * 100, "?" * 100, "short"]
    names = [folder_name(label) for label in long]
    assert len(set(names)) == 5 and names[-1] == "short"
    assert max(len(name.encode()) for name in names) < 256


def test_issues_have_cleanlabs_columns() -> None:
    issues = label_issues(DATA.suspects.sample(frac=1, random_state=0))
    columns = "path is_label_issue label_quality given_label predicted_label"
    assert list(issues.columns) == columns.split()
    assert issues["path"].tolist() == DATA.suspects["path"].tolist()
    assert issues["is_label_issue"].sum() == 10
    np.testing.assert_allclose(issues["label_quality"], 1 - DATA.suspects["suspicion"])
