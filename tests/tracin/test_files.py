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

from tracin.files import atomic_path, write_csv, write_json, write_parquet


def test_success_replaces_and_makes_folders(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b.txt"
    with atomic_path(target) as temporary:
        assert temporary.parent == target.parent
        assert temporary.name.startswith(".tmp-") and temporary.suffix == ".txt"
        temporary.write_text("new")
    assert target.read_text() == "new"
    assert list(target.parent.iterdir()) == [target]
    (tmp_path / "ordinary").touch()
    assert target.stat().st_mode == (tmp_path / "ordinary").stat().st_mode


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
