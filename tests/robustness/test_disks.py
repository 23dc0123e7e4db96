"""A full or read-only disk: a sentence says so, earlier results stay, and a rerun goes on."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.robustness.runs import Session, assert_equal_results, result_files

PAGE = 4  # KiB: what every file takes at least
ROOM = 600 * 1024  # KiB
FAILED = re.compile(r"^Error in rule (\w+):", re.MULTILINE)
ADVICE = "The disk is full. Make space on the disk that holds results/ and run the same command"


class Disk:
    """A file system in memory, mounted at `folder`, whose size can be changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._mount(f"size={ROOM}k", "-t", "tmpfs", "tmpfs")

    def _mount(self, options: str, *what: str) -> None:
        subprocess.run(["mount", "-o", options, *what, self.folder], check=True)

    def leave(self, free: int) -> None:
        """Make it as small as its files and `free` KiB."""
        used = shutil.disk_usage(self.folder).used // 1024
        self._mount(f"remount,rw,size={used + free}k")

    def grow(self) -> None:
        self._mount(f"remount,rw,size={ROOM}k")

    def protect(self) -> None:
        self._mount("remount,ro")

    def unmount(self) -> None:
        subprocess.run(["umount", "--lazy", self.folder], check=True)


def mounted(folder: Path) -> Iterator[Disk]:
    """The results of a run on a disk of their own."""
    results, moved = folder / "results", folder / "moved"
    if results.exists():
        results.rename(moved)
    results.mkdir()
    disk = Disk(results)
    if moved.exists():
        shutil.copytree(moved, results, dirs_exist_ok=True, symlinks=True)
    yield disk
    disk.unmount()


@pytest.fixture
def disk_of_broken(broken: Path) -> Iterator[Disk]:
    yield from mounted(broken)


@pytest.fixture
def disk_of_fresh(fresh: Path) -> Iterator[Disk]:
    yield from mounted(fresh)


def able_to_mount() -> bool:
    """Whether this process may mount file systems."""
    if os.geteuid() != 0 or not shutil.which("unshare"):
        return False
    return not subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode


pytestmark = pytest.mark.skipif(not able_to_mount(), reason="needs root, to mount a small disk")


def state(folder: Path) -> dict[str, tuple[int, int]]:
    """Time and size of every result."""
    facts = {name: path.stat() for name, path in result_files(folder).items()}
    return {name: (fact.st_mtime_ns, fact.st_size) for name, fact in facts.items()}


def fill_and_fail(folder: Path, disk: Disk, *options: str) -> str:
    """A run on a disk with hardly any room; the rule that failed for it, or nothing."""
    before = state(folder)
    disk.leave(PAGE if not options else 0)
    session = Session(folder, options=options)
    status = session.end()
    disk.grow()
    if status == 0:
        return ""
    assert ADVICE in session.output, session.output[-4000:]
    rule = FAILED.findall(session.output)[0]
    after = state(folder)
    assert {name: after.get(name) for name in before} == before
    return rule


def test_a_full_disk_is_said_and_harms_nothing(
    whole: Path, broken: Path, disk_of_broken: Disk
) -> None:
    assert fill_and_fail(broken, disk_of_broken, "--forcerun", "topk") == "merge"
    Session(broken, options=("--forcerun", "topk")).finish()
    assert_equal_results(broken, whole)


@pytest.mark.slow
def test_a_full_disk_in_each_stage(whole: Path, fresh: Path, disk_of_fresh: Disk) -> None:
    failed = []
    while rule := fill_and_fail(fresh, disk_of_fresh):
        failed.append(rule)
        Session(fresh, options=("--until", rule)).finish()
        assert len(failed) < 100
    print(failed)
    assert {"ingest", "manifest", "train", "gradients", "tile", "topk", "signals"} <= set(failed)
    assert len(set(failed)) > 15
    assert_equal_results(fresh, whole)


def test_read_only_results_are_said_and_left_alone(
    whole: Path, broken: Path, disk_of_broken: Disk
) -> None:
    before = state(broken)
    disk_of_broken.protect()
    session = Session(broken, options=("--forcerun", "topk"))
    assert session.end() != 0
    assert re.search("Read-only file system|Write-protected output files", session.output)
    disk_of_broken.grow()
    assert state(broken) == before
    Session(broken).finish()
    assert_equal_results(broken, whole)
