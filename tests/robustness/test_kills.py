"""Runs that are killed at random moments and started again end like one that never was."""

from __future__ import annotations

import random
import re
import shutil
from functools import partial
from pathlib import Path

import pytest

from tests.robustness.runs import Session, assert_equal_results, gone, unlock

KILLS = 5  # of one run; ten runs make fifty moments
LONGEST = 16.0  # seconds until a kill: about what a fifth of the run and Snakemake's start take
PARTS = 4  # of the rules, for a test each
RULE = re.compile(r"^(?:local)?rule (\w+):$", re.MULTILINE)


def kill_snakemake(session: Session) -> None:
    """SIGKILL for Snakemake: its jobs notice that and end, the lock stays."""
    jobs = session.jobs()
    session.kill()
    assert gone(jobs, 10)
    unlock(session.folder)


def kill_job(session: Session, choose: random.Random) -> None:
    """SIGKILL for a job or one of its workers, as if memory ran out: Snakemake says so and ends."""
    jobs = session.jobs()
    if jobs:
        choose.choice(jobs).kill()
    else:
        session.kill()
        unlock(session.folder)
    session.end()


def start_over(folder: Path) -> None:
    for name in ("results", ".snakemake"):
        shutil.rmtree(folder / name, ignore_errors=True)


def check(folder: Path, whole: Path) -> None:
    assert_equal_results(folder, whole)
    left = [p for p in (folder / "results").rglob("*") if p.name.startswith(".tmp")]
    assert not left


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 10))]
)
def test_killed_at_random_moments(whole: Path, fresh: Path, seed: int) -> None:
    choose, killed = random.Random(seed), 0
    while killed < KILLS:
        session = Session(fresh)
        if not session.wait(choose.uniform(1, LONGEST)):
            session.finish()
            check(fresh, whole)
            start_over(fresh)
            continue
        if choose.random() < 0.5:
            kill_snakemake(session)
        else:
            kill_job(session, choose)
        killed += 1
    Session(fresh).finish()
    check(fresh, whole)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_each_kind_of_job_killed(whole: Path, broken: Path, part: int) -> None:
    """Each rule is forced to run, killed on its way, and run again, then all that depends on it."""
    choose = random.Random(part)
    log = (whole / ".session.log").read_text(encoding="utf-8")
    rules = sorted(set(RULE.findall(log)) - {"all"})
    assert len(rules) > 25
    for rule in rules[part::PARTS]:
        options = ("--forcerun", rule, "--until", rule)
        session = Session(broken, options=options)
        if session.wait_for(partial(session.started, rule)):
            session.wait(choose.uniform(0, 2))
            kill_job(session, choose)
        Session(broken, options=options).finish()
        Session(broken).finish()
        check(broken, whole)
