"""A copy of the workflow, and one finished demo run that several tests look at."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("Snakefile", "config.yaml", "rules", "workflow_scripts", "envs", "profiles", "report")


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
    snakemake(folder, "--cores", "all", prefix=without_network())
    return folder
