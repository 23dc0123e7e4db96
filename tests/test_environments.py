"""The conda environments must hold the versions that the lock holds."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENTS = sorted((ROOT / "envs").glob("*.yaml"))
PYPI_NAMES = {"pytorch": "torch", "matplotlib-base": "matplotlib"}


def locked_versions() -> dict[str, str]:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    return dict(re.findall(r"^([\w.-]+)==(\S+)", text, re.MULTILINE))


def test_there_are_environments() -> None:
    assert {path.stem for path in ENVIRONMENTS} >= {"torch", "tables"}


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.stem)
def test_environment_matches_lock(path: Path) -> None:
    locked = locked_versions()
    dependencies = yaml.safe_load(path.read_text(encoding="utf-8"))["dependencies"]
    pinned: dict[str, str] = dict(
        item.split("==") for item in dependencies if not item.startswith("python=")
    )
    assert pinned
    assert pinned == {name: locked.get(PYPI_NAMES.get(name, name)) for name in pinned}


def test_container_installs_the_lock() -> None:
    definition = (ROOT / "envs" / "tracin.def").read_text(encoding="utf-8")
    copied = dict(re.findall(r"^ +(\S+\.lock) (\S+)$", definition, re.MULTILINE))
    assert set(copied) == {"requirements.lock", "requirements-cuda.lock"}
    assert "install --no-cache-dir -r " + " -r ".join(copied.values()) in definition
    pythons = {
        item
        for path in ENVIRONMENTS
        for item in yaml.safe_load(path.read_text(encoding="utf-8"))["dependencies"]
        if item.startswith("python=")
    }
    assert {f"From: {item.replace('=', ':')}-slim-bookworm" for item in pythons} <= set(
        definition.splitlines()
    )
    assert "snakemake-executor-plugin-slurm" in locked_versions()


def test_lock_has_no_local_versions() -> None:
    assert not [version for version in locked_versions().values() if "+" in version]


@pytest.mark.parametrize("name", ["LICENSE", "CITATION.cff"])
def test_file_exists(name: str) -> None:
    assert (ROOT / name).is_file()


def test_citation_names_the_paper() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert citation["references"][0]["year"] == 2020
