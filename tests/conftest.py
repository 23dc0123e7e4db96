"""A copy of the workflow, and one finished demo run that several tests look at.

Side by side, tests that share a run or a cluster go to one worker.
"""

import multiprocessing
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent
WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
# Threads that compute on the same core wait for one another most of the time.
CORES = str(max(1, (os.cpu_count() or 1) // WORKERS))
os.environ.setdefault("OMP_NUM_THREADS", CORES)
# How long an example takes says how busy the machine is.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
# Tests that share a run or a cluster, by the start of their names: the longest first.
SHARED = {
    "tests/slurm/": "cluster",
    "tests/rules/": "demo",
    "tests/test_demo.py": "demo",
    "tests/test_supply_chain.py": "demo",
    "tests/tracin/test_planning.py": "demo",
    "tests/robustness/": "robustness",
}
PARTS = ("Snakefile", "config.yaml", "rules", "workflow_scripts", "envs", "profiles", "report")


def group(test: str) -> str:
    """The tests that run on one worker: those that share something, else a module's."""
    return next((SHARED[start] for start in SHARED if test.startswith(start)), test.split("::")[0])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    first = list(SHARED.values())
    items.sort(key=lambda item: [*first, group(item.nodeid)].index(group(item.nodeid)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Send a group to one worker. (xdist 3.8 does not see its own groups with pytest 9.2.)"""
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return group(nodeid)

    return Groups(config, log)


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


@pytest.fixture
def spawning(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A platform that begins processes anew unless told otherwise, as macOS; none can be."""
    before = multiprocessing.get_start_method()
    multiprocessing.set_start_method("spawn", force=True)
    monkeypatch.setattr("multiprocessing.popen_spawn_posix.Popen", None)
    yield
    multiprocessing.set_start_method(before, force=True)
