"""Tests of listing images."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest

from tracin.errors import UserError
from tracin.listing import folder_fingerprint, list_folder, list_manifest


def _touch(*files: Path) -> None:
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")


def test_folder_is_recursive_sorted_and_skips_hidden(tmp_path: Path) -> None:
    names = ["b/2.png", "b/deep/1.txt", "a/1.png", "a/.hidden", ".git/x", "stray.txt"]
    _touch(*(tmp_path / name for name in names))
    listing = list_folder(tmp_path)
    assert list(listing["path"]) == ["a/1.png", "b/2.png", "b/deep/1.txt"]
    assert list(listing["label"]) == ["a", "b", "b"]


def test_unusable_folders_are_explained(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="one sub-folder per class"):
        list_folder(tmp_path / "none")
    with pytest.raises(ValueError, match="sub-folder"):
        list_folder(tmp_path)
    _touch(tmp_path / "stray.png")
    with pytest.raises(ValueError, match="1 files lie"):
        list_folder(tmp_path)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_manifest_reads_label_column(tmp_path: Path, suffix: str) -> None:
    frame = pd.DataFrame({"path": ["a.png", "b.png"], "noisy": ["NA", "7"]})
    file = tmp_path / f"m{suffix}"
    frame.to_csv(file, index=False) if suffix == ".csv" else frame.to_parquet(file)
    listing = list_manifest(file, "noisy")
    assert list(listing.columns) == ["path", "label", "split", "true_label"]
    assert list(listing["label"]) == ["NA", "7"]
    assert listing[["split", "true_label"]].isna().all().all()


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ("a.png,x,\n./a.png,y,\n", "repeated path.*: 1, 2"),
        ("a.png,x,\nb.png,,\n", "empty label.*: 2"),
        ("/a.png,x,\n", "absolute path.*: 1"),
        ("b.png,x,\nc/../../a.png,x,\n", "absolute path.*: 2"),
        ("C:\\a.png,x,\n", "absolute path"),
        ("a.png,x,dev\n", "unknown split.*: 1"),
        ("", "no rows"),
    ],
)
def test_manifest_errors_name_rows(tmp_path: Path, rows: str, problem: str) -> None:
    file = tmp_path / "m.csv"
    file.write_text("path,label,split\n" + rows)
    with pytest.raises(ValueError, match=problem):
        list_manifest(file, "label")


def test_manifest_missing_things(tmp_path: Path) -> None:
    file = tmp_path / "m.csv"
    with pytest.raises(UserError):
        list_manifest(file, "label")
    file.write_text("path,label\na,b\n")
    with pytest.raises(ValueError, match="noisy"):
        list_manifest(file, "noisy")


def test_fingerprint_follows_changes(tmp_path: Path) -> None:
    assert folder_fingerprint(tmp_path / "none") == "missing"
    _touch(tmp_path / "a" / "1.png")
    first = folder_fingerprint(tmp_path)
    assert first == folder_fingerprint(tmp_path) and len(first) == 64
    os.utime(tmp_path / "a", ns=(1, 1))
    second = folder_fingerprint(tmp_path)
    (tmp_path / "b").mkdir()
    assert len({first, second, folder_fingerprint(tmp_path)}) == 3
