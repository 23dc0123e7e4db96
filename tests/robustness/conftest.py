"""One finished run on the hostile data set, and copies of it that may be broken."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import copy_workflow
from tests.robustness.hostile import write_dataset
from tests.robustness.runs import Session


@pytest.fixture(autouse=True)
def nothing_goes_on() -> Iterator[None]:
    """End the runs that a failed test leaves behind."""
    yield
    Session.end_all()


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The finished, never interrupted run; nobody changes it."""
    folder = copy_workflow(tmp_path_factory.mktemp("whole"))
    write_dataset(folder)
    (folder / "..before").write_text(json.dumps(sorted(map(str, folder.rglob("*")))))
    Session(folder).finish()
    return folder


@pytest.fixture
def broken(whole: Path, tmp_path: Path) -> Path:
    """A copy of the finished run that may be changed."""
    shutil.copytree(whole, tmp_path / "run", symlinks=True)
    return tmp_path / "run"


@pytest.fixture
def fresh(whole: Path, tmp_path: Path) -> Path:
    """The workflow and the data of the run, without results."""
    ignore = shutil.ignore_patterns("results", ".snakemake")
    shutil.copytree(whole, tmp_path / "run", symlinks=True, ignore=ignore)
    return tmp_path / "run"
