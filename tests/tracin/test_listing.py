"""Tests of listing folders: what is an image's place, and what is left out and why."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tracin.errors import UserError
from tracin.listing import count_files, files_fingerprint, folder_fingerprint, list_folder
from tracin.sources import read_file


def _touch(*files: Path) -> None:
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")


def test_folder_is_recursive_sorted_and_skips_hidden(tmp_path: Path) -> None:
    names = ["b/2.png", "b/deep/1.txt", "a/1.png", "a/.hidden", ".git/x", "stray.txt"]
    _touch(*(tmp_path / name for name in names))
    listing, rejected = list_folder(tmp_path)
    assert list(listing["path"]) == ["a/1.png", "b/2.png", "b/deep/1.txt"]
    assert list(listing["label"]) == ["a", "b", "b"]
    assert rejected == [("stray.txt", "lies in no class folder")]


def test_unusable_folders_are_explained(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="one sub-folder per class"):
        list_folder(tmp_path / "none")
    with pytest.raises(UserError, match="sub-folder"):
        list_folder(tmp_path)
    _touch(tmp_path / "stray.png")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="2 other entries"):
        list_folder(tmp_path)


SPLITS = [
    (["train/cat", "Val/cat"], ["Val", "train"]),
    (["train/cat", "test/cat", "pred"], ["pred", "test", "train"]),
    (["seg_train/seg_train/sea", "seg_test/seg_test/sea", "notes"], ["seg_test", "seg_train"]),
    (["train", "test1"], ["test1", "train"]),
    (["training_set/cat", "test_set/cat", "raw"], ["test_set", "training_set"]),
    (["train2017", "val2017"], ["train2017", "val2017"]),
]


@pytest.mark.parametrize(("folders", "splits"), SPLITS)
def test_splits_are_no_classes(tmp_path: Path, folders: list[str], splits: list[str]) -> None:
    _touch(*(tmp_path / folder / "1.png" for folder in folders))
    with pytest.raises(UserError, match=re.escape(f"not classes: {splits}. Set")):
        list_folder(tmp_path)


def test_one_folder_too_many_is_said_before_anything_is_decoded(tmp_path: Path) -> None:
    for place in ("raw-img", "a/b"):
        root = tmp_path / place[0]
        _touch(root / "translate.py", root / place / "cane/1.png", root / place / "gatto/2.png")
        path, held = str(root / place), f"{place!r}, which holds 2 folders: ['cane', 'gatto']"
        message = re.escape(f"only folder in {root} is {held}. Set dataset.path to {path!r}.")
        for read in (list_folder, count_files):
            with pytest.raises(UserError, match=message):
                read(root)
    _touch(tmp_path / "one/cat/1.png", tmp_path / "one/cat/deep/2.png")
    assert count_files(tmp_path / "one") == 2


CLASSES = [
    ["train/steam", "train/electric", "bus/city", "car"],
    ["train station/a", "test tube/b"],
    ["train", "test", "bus"],
    ["test1", "test2"],
    ["trainer/a", "tester/b"],
]


@pytest.mark.parametrize("folders", CLASSES)
def test_classes_may_be_called_like_splits(tmp_path: Path, folders: list[str]) -> None:
    _touch(*(tmp_path / folder / "1.png" for folder in folders))
    assert len(list_folder(tmp_path)[0]) == len(folders)


def test_links_stay_inside_and_every_folder_is_listed_once(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    _touch(root / "cat/1.png", root / "dog/sub/2.png", root / "shared/3.png", outside / "4.png")
    (root / "cat/out").symlink_to(outside)
    (root / "cat/out.png").symlink_to(outside / "4.png")
    (root / "cat/up").symlink_to("..")
    (root / "cat/self").symlink_to(".")
    (root / "cat/more").symlink_to("../shared")
    (root / "dog/again").symlink_to("sub")
    (root / "dog/loop").symlink_to("loop")
    (root / "evil").symlink_to(outside)
    (root / "empty").mkdir()
    listing, rejected = list_folder(root)
    assert list(listing["path"]) == [
        "cat/1.png",
        "cat/more/3.png",
        "cat/out.png",
        "dog/loop",
        "dog/sub/2.png",
        "shared/3.png",
    ]
    assert sorted(rejected) == [
        ("cat/out", "the link leads out of the data set's folder"),
        ("cat/self", "the link leads back to a folder above it"),
        ("cat/up", "the link leads back to a folder above it"),
        ("dog/again", "the link leads to a folder that is listed already"),
        ("empty", "the class folder holds no file"),
        ("evil", "the link leads out of the data set's folder"),
    ]


def test_strange_names_are_listed(tmp_path: Path) -> None:
    names = [
        b'two words/it\'s "x".png',
        b"line\nbreak/1\t2.png",
        "\U0001f431/\U0001f408.png".encode(),
        b"caf\xe9/\xff.png",
        b"Cat/same.png",
        b"cat/same.png",
        b"cat/SAME.png",
        b"x" * 255 + b"/" + b"y" * 255,
    ]
    _touch(*(tmp_path / os.fsdecode(name) for name in names))
    listing, rejected = list_folder(tmp_path)
    assert not rejected
    assert sorted(listing["path"]) == sorted(
        name.decode(errors="backslashreplace") for name in names
    )
    assert set(listing["label"]) == {
        name.decode(errors="backslashreplace").split("/")[0] for name in names
    }


@contextmanager
def without_privileges() -> Iterator[None]:
    """Root may read everything, so it is someone else for a while."""
    own = os.geteuid()
    if own == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(own)


def test_what_may_not_be_read_is_said() -> None:
    with TemporaryDirectory() as folder:
        root = Path(folder)
        root.chmod(0o755)
        _touch(root / "cat/1.png", root / "cat/locked/2.png")
        (root / "cat/1.png").chmod(0)
        (root / "cat/locked").chmod(0)
        with without_privileges():
            listing, rejected = list_folder(root)
            with pytest.raises(UserError, match="the file can't be read: Permission denied"):
                read_file(root / "cat/1.png", root)
        (root / "cat/locked").chmod(0o700)
        root.chmod(0)
        with without_privileges(), pytest.raises(UserError, match="can't be listed: Permission"):
            list_folder(root)
        root.chmod(0o700)
    assert list(listing["path"]) == ["cat/1.png"]
    assert rejected == [("cat/locked", "the folder can't be listed: Permission denied")]


def test_fingerprint_follows_changes(tmp_path: Path) -> None:
    assert folder_fingerprint(tmp_path / "none") == "missing"
    _touch(tmp_path / "a" / "1.png")
    found = [folder_fingerprint(tmp_path)]
    assert found[0] == folder_fingerprint(tmp_path) and len(found[0]) == 64
    (tmp_path / "a" / "1.png").write_bytes(b"yz")
    found.append(folder_fingerprint(tmp_path))
    (tmp_path / "a" / "1.png").rename(tmp_path / "a" / "2.png")
    found.append(folder_fingerprint(tmp_path))
    (tmp_path / "b").mkdir()
    found.append(folder_fingerprint(tmp_path))
    assert len(set(found)) == 4
    (tmp_path / "a" / ".DS_Store").write_text("")
    (tmp_path / ".cache").mkdir()
    assert folder_fingerprint(tmp_path) == found[-1]
    some = [files_fingerprint(tmp_path, ["a/2.png", "a/none.png"])]
    (tmp_path / "b" / "3.png").touch()
    some.append(files_fingerprint(tmp_path, ["a/2.png", "a/none.png"]))
    (tmp_path / "a" / "2.png").write_bytes(b"z")
    some.append(files_fingerprint(tmp_path, ["a/2.png", "a/none.png"]))
    assert some[0] == some[1] != some[2]
    assert count_files(tmp_path) == 2
