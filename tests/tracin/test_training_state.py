"""A killed training goes on from its state, and ends as if nothing had happened."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest
import torch
from safetensors.torch import load_file

from tests.conftest import ROOT
from tests.tracin.test_training import LABELS, RECIPE, run_training
from tracin import training
from tracin.recipe import Run
from tracin.training_state import StateFolder

LONGER = replace(RECIPE, epochs=4, plateau_patience=0, learning_rate_backbone=1e-2)
OUTPUTS = ("best.safetensors", "0.safetensors", "1.safetensors", "2.safetensors", "dynamics")
# Trains in the folder argv[1] and ends itself as argv[2] says.
SCRIPT = """
import os, signal, shutil, sys, time
from pathlib import Path
import torch
from tests.tracin.test_training import run_training
from tests.tracin.test_training_state import LONGER
from tracin import training
from tracin.dynamics import Dynamics

folder, point = Path(sys.argv[1]), sys.argv[2]
calls = {}

def before(owner, name, number, act):
    original = getattr(owner, name)
    def wrapped(*arguments, **options):
        calls[name] = calls.get(name, 0) + 1
        if calls[name] == number:
            act(*arguments)
        return original(*arguments, **options)
    setattr(owner, name, wrapped)

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def half(state, file):
    file.write(b"PK" * 1000)
    file.flush()
    die()

def wait(*_):
    (folder / "waiting").touch()
    time.sleep(60)

before(*{
    "between weights and state": (torch, "save", 1, die),
    "writing the state": (torch, "save", 2, half),
    "in an epoch": (Dynamics, "record", 6, wait),
    "writing the outputs": (shutil, "copyfile", 2, die),
}[point])
run_training(folder, LONGER, workers=2)
"""


def same_results(one: Path, other: Path) -> None:
    for name in OUTPUTS:
        tensors, others = load_file(one / name), load_file(other / name)
        assert tensors.keys() == others.keys()
        for key, tensor in tensors.items():
            np.testing.assert_array_equal(tensor.numpy(), others[key].numpy(), err_msg=key)
    table, another = (
        pd.read_parquet(folder / "table.parquet").drop(columns=["seconds", "images_per_second"])
        for folder in (one, other)
    )
    pd.testing.assert_frame_equal(table, another, check_exact=True)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("uninterrupted")
    run_training(folder, LONGER)
    return folder


def stop_after(monkeypatch: pytest.MonkeyPatch, epochs: int) -> None:
    """Make training stop once it wrote the state of so many more epochs."""
    written: list[int] = []
    write = StateFolder.write

    def write_or_stop(self: StateFolder, *arguments: Any) -> None:
        write(self, *arguments)
        written.append(1)
        if len(written) == epochs:
            raise KeyboardInterrupt

    monkeypatch.setattr(StateFolder, "write", write_or_stop)


def first_epoch(monkeypatch: pytest.MonkeyPatch, folder: Path, **options: Any) -> int:
    """The epoch that a training in `folder` would begin with."""
    begun: list[int] = []

    def note(run: Run, *_: object) -> None:
        begun.append(len(run.progress.history) + 1)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(training, "_epoch", note)
        run_training(folder, **{"recipe": LONGER} | options)
    return begun[0]


@pytest.fixture(scope="module")
def stopped_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stopped")
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stop_after(patch, 2)
        run_training(folder, LONGER)
    return folder


@pytest.fixture
def stopped(stopped_once: Path, tmp_path: Path) -> Path:
    """The folder of a training that was stopped after two epochs; links, so change no file."""
    shutil.copytree(stopped_once, tmp_path / "stopped", copy_function=os.link)
    return tmp_path / "stopped"


def killed(folder: Path, point: str) -> str:
    """Start a training that ends at a point; its log."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "workflow_scripts")])
    running = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(folder), point],
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    if point == "in an epoch":
        terminate(running, folder / "waiting")
    log = running.communicate(timeout=120)[0]
    assert running.returncode in (-signal.SIGKILL, -signal.SIGTERM), log
    # As Snakemake does with a failed job's outputs.
    for name in OUTPUTS:
        (folder / name).unlink(missing_ok=True)
    return log


def terminate(running: subprocess.Popen[str], waiting: Path) -> None:
    """SIGTERM once the file `waiting` is there: the job and its workers end within seconds."""
    while not waiting.exists():
        assert running.poll() is None
        time.sleep(0.1)
    workers = psutil.Process(running.pid).children(recursive=True)
    assert len(workers) >= 2
    running.terminate()
    assert running.wait(timeout=5) == -signal.SIGTERM
    _, alive = psutil.wait_procs(workers, timeout=15)
    assert not [p for p in alive if p.status() != psutil.STATUS_ZOMBIE]


def test_a_training_killed_again_and_again_ends_the_same(
    tmp_path: Path, uninterrupted: Path
) -> None:
    assert "goes on" not in killed(tmp_path, "between weights and state")
    assert "goes on" not in killed(tmp_path, "writing the state")
    assert "goes on after epoch 1" in killed(tmp_path, "in an epoch")
    assert "goes on after epoch 2" in killed(tmp_path, "writing the outputs")
    run_training(tmp_path, LONGER)
    same_results(tmp_path, uninterrupted)
    assert not (tmp_path / "training_state").exists()


def test_momentum_plateau_and_patience_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a rate too large, the plateau lowers it and patience ends the run, in the same epoch."""
    wild = replace(LONGER, optimizer="sgd", learning_rate_head=0.3, epochs=9, patience=3)
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    table = run_training(tmp_path / "whole", wild)
    assert 4 <= len(table) < 10 and table["learning_rate_head"].nunique() > 2
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stop_after(patch, 3)
        run_training(tmp_path / "parts", wild)
    run_training(tmp_path / "parts", wild)
    same_results(tmp_path / "parts", tmp_path / "whole")


def test_cosine_rates_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    falling = replace(LONGER, schedule="cosine")
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    table = run_training(tmp_path / "whole", falling)
    assert table["learning_rate_backbone"].nunique() == len(table)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stop_after(patch, 3)
        run_training(tmp_path / "parts", falling)
    run_training(tmp_path / "parts", falling)
    same_results(tmp_path / "parts", tmp_path / "whole")


def test_each_wanted_epoch_is_kept_once_and_strays_are_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seldom = replace(LONGER, checkpoint_every=3)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stop_after(patch, 4)
        run_training(tmp_path, seldom)
    folder = tmp_path / "training_state"
    best = torch.load(folder / "state.pt", weights_only=True)["progress"]["best"]
    assert {p.name for p in folder.iterdir()} == {"state.pt"} | {
        f"{epoch}.safetensors" for epoch in (1, 3, best)
    }
    (folder / ".tmp-half.pt").touch()
    times = {p.name: p.stat().st_mtime_ns for p in folder.glob("*.safetensors")}
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stop_after(patch, 1)
        run_training(tmp_path, seldom)
    assert not (folder / ".tmp-half.pt").exists()
    for name in ("1.safetensors", "3.safetensors"):
        assert (folder / name).stat().st_mtime_ns == times[name]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"recipe": replace(LONGER, weight_decay=0.02)}, "settings"),
        ({"first_weights": 1}, "first weights"),
        ({"labels": LABELS[::-1].copy()}, "labels"),
        ({"origin": {"training code": "new", "pixels": "new"}}, "training code and pixels"),
        ({}, None),
    ],
)
def test_a_state_of_anything_else_is_not_used(
    stopped: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    change: dict[str, Any],
    said: str | None,
) -> None:
    assert first_epoch(monkeypatch, stopped, **change) == (1 if said else 3)
    log = capsys.readouterr().out
    assert f"was made with other {said}: training starts over" in log or not said


@pytest.mark.parametrize("name", ["state.pt", "1.safetensors"])
@pytest.mark.parametrize("content", [b"", b"half", None])
def test_a_damaged_state_is_not_used(
    stopped: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    content: bytes | None,
) -> None:
    path = stopped / "training_state" / name
    whole = path.read_bytes()
    path.unlink()
    if content is not None:
        path.write_bytes(whole[: len(whole) // 2] if content else b"")
    assert first_epoch(monkeypatch, stopped) == 1
    assert "is damaged" in capsys.readouterr().out or (name == "state.pt" and content is None)


def test_starting_over_leaves_nothing_of_the_old_state(stopped: Path, uninterrupted: Path) -> None:
    state = stopped / "training_state" / "state.pt"
    half = state.read_bytes()[:5000]
    state.unlink()
    state.write_bytes(half)
    run_training(stopped, LONGER)
    same_results(stopped, uninterrupted)


def test_fewer_slots_are_filled_from_the_state(
    stopped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stops at its end, for too many slots, need not be trained again for fewer."""
    with pytest.raises(ValueError, match="for 9 slots"):
        run_training(stopped, LONGER, slots=9)
    monkeypatch.delattr(training, "_training_pass")
    assert len(run_training(stopped, LONGER, slots=3)) == 5
