"""Runs of Snakemake that are ended from outside, and whether two runs hold the same results."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import psutil
from safetensors.numpy import load_file

from tests.conftest import CORES

SCRIPTS = ".snakemake/scripts/"
# What a clock says; everything else must be equal.
TIMED = ["seconds", "images_per_second"]
UNCOMPARED = ("logs", "timings")
# Temporary files: a run up to the rule that writes them keeps them.
TEMPORARY = "merged"
# Pictures and pages, whose numbers are those of the tables.
DRAWN = (".png", ".svg", ".html")


class Session:
    """A Snakemake process in `folder`, in a process group of its own, as a terminal makes it.

    Its output goes to a file, through a pipe to a `reader` if `piped`.
    """

    started_here: ClassVar[list[Session]] = []

    def __init__(
        self, folder: Path, *targets: str, options: tuple[str, ...] = (), piped: bool = False
    ) -> None:
        overlays = [name for name in ("overlay.yaml", "more.yaml") if (folder / name).exists()]
        command = [sys.executable, "-m", "snakemake", "--cores", CORES, "--configfile", *overlays]
        environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        self.folder, self.log = folder, folder / ".session.log"
        with self.log.open("w") as log:
            if piped:
                self.reader = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=log)
            self.process = subprocess.Popen(
                [*command, *options, "--", *targets],
                cwd=folder,
                env=environment,
                stdout=self.reader.stdin if piped else log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            if piped and self.reader.stdin:
                self.reader.stdin.close()
        Session.started_here.append(self)

    @classmethod
    def end_all(cls) -> None:
        """SIGKILL for what a failed test has left running, jobs and workers too."""
        for session in cls.started_here:
            with suppress(ProcessLookupError):
                os.killpg(session.process.pid, signal.SIGKILL)
        cls.started_here.clear()

    @property
    def output(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def jobs(self) -> list[psutil.Process]:
        """The scripts that run now, their workers too."""
        try:
            below = psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []
        return [process for process in below if is_script(process)]

    def wait(self, seconds: float) -> bool:
        """Wait; False if the session ended before."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return True
        return False

    def started(self, rule: str) -> bool:
        """Whether a job of this rule runs."""
        return f"rule {rule}:\n" in self.output and bool(self.jobs())

    def wait_for(self, condition: Callable[[], object], seconds: float = 60) -> bool:
        """Wait until something is so; False if the session ended before."""
        end = time.monotonic() + seconds
        while not condition():
            if self.process.poll() is not None:
                return False
            assert time.monotonic() < end, self.output[-4000:]
            time.sleep(0.02)
        return True

    def kill(self) -> None:
        """SIGKILL for Snakemake alone."""
        self.process.kill()
        self.process.wait()

    def end(self) -> int:
        """The exit status, once Snakemake is done."""
        return self.process.wait(600)

    def finish(self) -> None:
        """Wait for a run that must succeed."""
        assert self.end() == 0, self.output[-6000:]


def is_script(process: psutil.Process) -> bool:
    try:
        return any(SCRIPTS in part for part in process.cmdline())
    except psutil.NoSuchProcess:
        return False


def unlock(folder: Path) -> None:
    """The documented command after Snakemake itself was killed."""
    Session(folder, options=("--unlock",)).finish()


def runs(process: psutil.Process) -> bool:
    """Whether a process still does something; an orphan that nobody waits for is a zombie."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def gone(processes: list[psutil.Process], seconds: float) -> bool:
    """Whether all processes end within some seconds."""
    end = time.monotonic() + seconds
    while any(map(runs, processes)):
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def result_files(folder: Path) -> dict[str, Path]:
    """Every file below results/ that holds a result, by its relative path."""
    root = folder / "results"
    return {
        str(path.relative_to(root)): path
        for path in sorted(root.rglob("*"))
        if path.is_file()
        and path.relative_to(root).parts[0] not in UNCOMPARED
        and path.name != ".snakemake_timestamp"
        and path.stem != "timings"
        and path.parent.name != TEMPORARY
    }


def assert_equal_results(folder: Path, whole: Path) -> None:
    """The same files with the same contents: floats to 1e-6, all else exactly, clocks aside."""
    found, wanted = result_files(folder), result_files(whole)
    assert sorted(found.keys() ^ wanted.keys()) == []
    for name, path in found.items():
        _assert_equal(path, wanted[name])


def _assert_equal(path: Path, other: Path) -> None:
    if path.suffix == ".parquet":
        one, two = (pd.read_parquet(p).drop(columns=TIMED, errors="ignore") for p in (path, other))
        assert list(one) == list(two)
        for column in one:
            # Lists are compared number by number.
            pd.testing.assert_series_equal(
                one[column].explode(), two[column].explode(), rtol=1e-6, atol=1e-6
            )
    elif path.suffix == ".safetensors":
        tensors, wanted = load_file(path), load_file(other)
        assert tensors.keys() == wanted.keys()
        for key in tensors:
            np.testing.assert_allclose(tensors[key], wanted[key], rtol=1e-6, atol=1e-6, err_msg=key)
    elif path.suffix == ".npy":
        np.testing.assert_allclose(np.load(path), np.load(other), rtol=1e-6, atol=1e-6)
    elif path.suffix not in DRAWN:
        assert path.read_bytes() == other.read_bytes(), path
    else:
        assert path.stat().st_size > 0


def interrupt(session: Session) -> None:
    """What Ctrl-C in a terminal does: SIGINT for the whole process group."""
    os.killpg(session.process.pid, signal.SIGINT)
