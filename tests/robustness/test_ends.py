"""Ctrl-C and SIGTERM end a run within seconds, with every job and worker; the next one goes on."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.robustness.runs import Session, gone, interrupt, unlock

LONG = """
train: {epochs: 500, patience: 500, checkpoint_every: 500}
compute: {workers: 2}
"""
TRAIN = "results/original/seed0/training.parquet"
SECONDS = 8  # torch's workers look for their owner every five


def training(folder: Path, piped: bool = False) -> tuple[Session, list[psutil.Process]]:
    """A session whose training has started its loader's workers, and those processes."""
    (folder / "more.yaml").write_text(LONG)
    session = Session(folder, TRAIN, piped=piped)
    assert session.wait_for(lambda: len(session.jobs()) >= 3), session.output
    return session, session.jobs()


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(interrupt, id="Ctrl-C"),
        pytest.param(lambda s: s.process.send_signal(signal.SIGINT), id="SIGINT"),
        pytest.param(lambda s: s.process.send_signal(signal.SIGTERM), id="SIGTERM"),
        pytest.param(lambda s: s.jobs()[0].terminate(), id="SIGTERM for the job"),
    ],
)
def test_everything_ends_within_seconds(broken: Path, end: Callable[[Session], None]) -> None:
    session, jobs = training(broken)
    end(session)
    assert session.process.wait(SECONDS) != 0
    assert gone(jobs, SECONDS)
    assert not list((broken / ".snakemake/locks").glob("*"))


def test_everything_ends_though_nobody_reads_any_more(broken: Path) -> None:
    session, jobs = training(broken, piped=True)
    for job in jobs:
        job.suspend()  # its end is told after the reader's
    session.process.send_signal(signal.SIGTERM)
    assert session.wait_for(lambda: "Will exit after" in session.output)
    session.reader.kill()
    session.reader.wait()
    for job in jobs:
        job.resume()
    assert session.process.wait(SECONDS) != 0
    assert gone(jobs, SECONDS)


def test_sigterm_ends_a_session_that_selects_its_jobs(broken: Path) -> None:
    (broken / "more.yaml").write_text(LONG)
    session = Session(broken, TRAIN)
    assert session.wait_for(lambda: "Select jobs to execute..." in session.output)
    session.process.send_signal(signal.SIGTERM)
    session.process.wait(SECONDS)
    assert session.jobs() == []


def test_a_stale_lock_needs_the_documented_command_only(broken: Path) -> None:
    session, jobs = training(broken)
    session.kill()
    assert gone(jobs, SECONDS)
    again = Session(broken, TRAIN)
    assert again.end() != 0 and "--unlock" in again.output
    unlock(broken)
    (broken / "more.yaml").unlink()
    Session(broken, TRAIN).finish()
