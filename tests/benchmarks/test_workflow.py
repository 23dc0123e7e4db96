"""What the benchmarks ask of Snakemake."""

from __future__ import annotations

import argparse
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks import label_errors

CONFIG = str(Path(__file__).resolve().parents[2] / "examples/small-images.yaml")


def test_labels_threads_and_seed_reach_snakemake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[Any]] = []

    def refuse(command: list[Any], **_: Any) -> None:
        commands.append(command)
        raise subprocess.CalledProcessError(1, command)

    monkeypatch.setattr(subprocess, "run", refuse)
    asked = argparse.Namespace(
        dataset="labels.csv",
        label_column="worse",
        configfile=CONFIG,
        effort="standard",
        cores="3",
        training_threads=1,
    )
    with pytest.raises(subprocess.CalledProcessError):
        list(label_errors.run(asked, tmp_path))
    words = [str(word) for word in commands[0]]
    assert words[words.index("--cores") + 1] == "3"
    assert words[words.index("--set-threads") + 1] == "train=1"
    overlay = yaml.safe_load((tmp_path / "overlay.yaml").read_text())
    assert overlay["dataset"]["label_column"] == "worse"
    assert overlay["dataset"]["path"] == str(Path("labels.csv").resolve())
    assert overlay["train"]["seeds"] == [0]
