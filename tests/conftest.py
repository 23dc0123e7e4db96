"""A copy of the workflow, and one finished demo run that several tests look at.

Tests that share a run or a cluster go to one worker, those that take longest first.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
# Threads that compute on the same core wait for one another most of the time.
CORES = str(max(1, (os.cpu_count() or 1) // WORKERS))
os.environ.setdefault("OMP_NUM_THREADS", CORES)
# Fixtures that take minutes, and the group of tests that use them.
SHARED = {"cluster": "cluster", "demo": "demo", "whole": "robustness"}
PARTS = ("Snakefile", "config.yaml", "rules", "workflow_scripts", "envs", "profiles", "report")


def group(item: pytest.Item) -> str:
    """The tests that run on one worker: what shares a run, else a module's."""
    names = getattr(item, "fixturenames", ())
    return next((SHARED[name] for name in SHARED if name in names), item.nodeid.split("::")[0])


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in its own
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    first = list(SHARED.values())
    for item in items:
        item.add_marker(pytest.mark.xdist_group(group(item)))
    items.sort(key=lambda item: first.index(group(item)) if group(item) in first else len(first))


def copy_workflow(folder: Path) -> Path:
    """The workflow as a user has it after cloning, without results."""
    for part in (*PARTS, "examples"):
        source = ROOT / part
        if source.is_dir():
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, folder / part, ignore=ignore)
        else:
            shutil.copy2(source, folder / part)
    (folder / "data" / "raw").mkdir(parents=True)
    return folder


def without_network() -> list[str]:
    """What runs a command where no network is, or nothing if this machine can't do that."""
    prefix = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--net", "--map-root-user"]
    able = (
        shutil.which("unshare")
        and not subprocess.run([*prefix, "true"], stderr=subprocess.DEVNULL).returncode
    )
    return prefix if able else []


def snakemake(folder: Path, *arguments: str, check: bool = True, prefix: Sequence[str] = ()) -> str:
    """Run Snakemake in `folder`, by way of the command `prefix`; its output."""
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        [*prefix, sys.executable, "-m", "snakemake", *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=900,
    )
    if check and done.returncode:
        raise AssertionError(done.stdout[-4000:])
    return done.stdout


@pytest.fixture
def workflow(tmp_path: Path) -> Path:
    return copy_workflow(tmp_path)


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The finished default run, made without a network. Tests that change a file put it back."""
    folder = copy_workflow(tmp_path_factory.mktemp("demo"))
    snakemake(folder, "--cores", CORES, prefix=without_network())
    return folder
