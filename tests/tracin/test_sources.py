"""Names as text and back; reading that never leaves the folder and never waits."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tracin import sources
from tracin.errors import UserError
from tracin.sources import from_text, read_file, to_text


@given(st.binary(min_size=1))
@example(b"caf\xe9.jpg")
@example(rb"a\xe9\x5cx5c\xff" + b"\xff")
def test_every_name_becomes_text_and_comes_back(raw: bytes) -> None:
    name = os.fsdecode(raw)
    text = to_text(name)
    text.encode("utf-8")
    assert os.fsencode(from_text(text)) == raw


def test_ordinary_names_stay_as_they_are() -> None:
    for name in ("a b'\"\n.jpg", "\U0001f431.png", r"a\b\x41.png", "Ünï.png"):
        assert to_text(name) == from_text(name) == name
    assert to_text(os.fsdecode(b"caf\xe9")) == r"caf\xe9"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A data set with all that a folder can hold, beside a file that is none of it."""
    root = tmp_path / "set"
    (root / "cat").mkdir(parents=True)
    (tmp_path / "secret.png").write_bytes(b"secret")
    (root / "cat" / "a.png").write_bytes(b"image")
    (root / "inside.png").symlink_to("cat/a.png")
    (root / "absolute.png").symlink_to(root / "cat" / "a.png")
    (root / "outside.png").symlink_to("../secret.png")
    (root / "device.png").symlink_to("/dev/zero")
    (root / "gone.png").symlink_to("nothing.png")
    (root / "loop.png").symlink_to("loop.png")
    os.mkfifo(root / "fifo.png")
    with socket.socket(socket.AF_UNIX) as server:
        here = os.getcwd()
        os.chdir(root)
        server.bind("socket.png")
        os.chdir(here)
    return root


def test_links_are_followed_inside_the_folder(root: Path, tmp_path: Path) -> None:
    for name in ("cat/a.png", "inside.png", "absolute.png"):
        assert read_file(root / name, root) == b"image"
    (tmp_path / "link").symlink_to(root)
    assert read_file(tmp_path / "link" / "cat" / "a.png", tmp_path / "link") == b"image"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("outside.png", "leads out of the data set's folder"),
        ("device.png", "leads out of the data set's folder"),
        ("../secret.png", "leads out of the data set's folder"),
        ("gone.png", "no such file"),
        ("none.png", "no such file"),
        ("loop.png", "Too many levels of symbolic links"),
        ("fifo.png", "no regular file"),
        ("socket.png", "no regular file"),
        ("cat", "no regular file"),
        ("a\0b", "NUL character"),
        ("x" * 300, "File name too long"),
    ],
)
def test_nothing_else_is_read(root: Path, name: str, reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        read_file(root / name, root)


def test_files_too_large_are_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "LARGEST_FILE", 4)
    with pytest.raises(UserError, match="larger than 4 bytes"):
        read_file(root / "cat" / "a.png", root)
