"""Tests of atomic writing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tracin.files import atomic_folder, atomic_path, write_csv, write_json, write_parquet


def test_success_replaces_and_makes_folders(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b.txt"
    with atomic_path(target) as temporary:
        assert temporary.parent.parent == target.parent
        assert temporary.parent.name.startswith(".tmp-") and temporary.suffix == ".txt"
        temporary.write_text("new")
    assert target.read_text() == "new"
    assert list(target.parent.iterdir()) == [target]
    (tmp_path / "ordinary").touch()
    assert target.stat().st_mode == (tmp_path / "ordinary").stat().st_mode


@pytest.mark.parametrize(("mask", "made"), [(0o022, 0o600), (0o077, 0o644)])
def test_permissions_are_those_of_the_umask(tmp_path: Path, mask: int, made: int) -> None:
    before = os.umask(mask)
    try:
        with atomic_path(tmp_path / "a") as temporary:
            temporary.touch()
            temporary.chmod(made)
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o666 & ~mask


def test_the_content_is_on_disk_before_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, replace, target = [], os.replace, tmp_path / "a"

    def renamed(source: Path, to: Path) -> None:
        calls.append(("replace", source.stat().st_ino))
        replace(source, to)

    monkeypatch.setattr(os, "fsync", lambda file: calls.append(("fsync", os.fstat(file).st_ino)))
    monkeypatch.setattr(os, "replace", renamed)
    with atomic_path(target) as temporary:
        temporary.write_text("new")
    file = target.stat().st_ino
    assert calls == [("fsync", file), ("replace", file)]


def test_error_keeps_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "b.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_writers_round_trip(tmp_path: Path) -> None:
    frame = pd.DataFrame({"name": ["é", "b"], "n": [1, 2]})
    write_parquet(frame, tmp_path / "f.parquet")
    write_csv(frame, tmp_path / "f.csv")
    write_json({"a": "é"}, tmp_path / "f.json")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "f.parquet"), frame)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "f.csv"), frame)
    assert json.loads((tmp_path / "f.json").read_text(encoding="utf-8")) == {"a": "é"}


def test_a_killed_writer_leaves_nothing_that_looks_finished(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from tracin.files import atomic_path\n"
        "with atomic_path(sys.argv[1]) as temporary:\n"
        "    temporary.write_text('half'); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    target = tmp_path / "topk.parquet"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    killed = subprocess.run([sys.executable, "-c", code, str(target)], env=environment)
    assert killed.returncode == -signal.SIGKILL and not target.exists()
    assert len(list(tmp_path.iterdir())) == 1
    with atomic_path(target) as temporary:
        temporary.write_text("whole")
    assert list(tmp_path.iterdir()) == [target]


def test_a_job_told_to_end_leaves_nothing_behind(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from tracin.files import atomic_path\n"
        "from tracin.runtime import start_log\n"
        "start_log(sys.argv[1] + '/log')\n"
        "with atomic_path(sys.argv[1] + '/result') as temporary:\n"
        "    temporary.write_text('half'); os.kill(os.getpid(), signal.SIGTERM)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, tmp_path], env={"PYTHONPATH": ":".join(sys.path)}
    )
    assert ended.returncode == 128 + signal.SIGTERM
    assert (tmp_path / "log").read_text() == "stopped by signal 15\n"
    assert [path.name for path in tmp_path.iterdir()] == ["log"]


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@x", "\tx"])
@pytest.mark.parametrize("kind", ["object", "str", "category"])
def test_csv_cells_are_no_formulas(tmp_path: Path, cell: str, kind: str) -> None:
    frame = pd.DataFrame({"name": pd.Series([cell, "a=b\r", None], dtype=kind), "n": [-1, 2, 3]})
    write_csv(frame, tmp_path / "f.csv")
    read = pd.read_csv(tmp_path / "f.csv", keep_default_na=False)
    assert read["name"].tolist() == [f"'{cell}", "a=b\r", ""]
    assert read["n"].tolist() == [-1, 2, 3]


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    target = tmp_path / "a" / "pages"
    for name in ("old", "new"):
        with atomic_folder(target) as folder:
            (folder / name).write_text(name)
    assert [path.name for path in target.iterdir()] == ["new"]
    with pytest.raises(RuntimeError), atomic_folder(target) as folder:
        (folder / "half").write_text("half")
        raise RuntimeError
    assert [path.name for path in target.iterdir()] == ["new"]
    assert [path.name for path in target.parent.iterdir()] == ["pages"]
