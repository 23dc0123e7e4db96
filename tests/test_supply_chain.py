"""What the project is made of: locked with hashes, used, declared, and silent on the network."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.conftest import ROOT, without_network

SOURCES = ("workflow_scripts", "tests", "benchmarks", "envs")
# Needed without an import of ours: by whom.
UNIMPORTED = {
    "snakemake-executor-plugin-slurm": "Snakemake loads it for --executor slurm",
    "pyarrow": "pandas reads and writes Parquet with it",
    "ruff": "make lint",
    "snakefmt": "make lint",
    "mypy": "make lint",
    "pandas-stubs": "mypy",
    "types-tqdm": "mypy",
    "types-pyyaml": "mypy",
    "types-jsonschema": "mypy",
}
# Only installed for the benchmarks.
BENCHMARKED = {
    "captum": "captum",
    "dattri": "dattri",
    "trak": "traker",
    "kronfluence": "kronfluence",
}
# Names on conda-forge that are others on PyPI.
CONDA = {"pytorch": "torch", "matplotlib-base": "matplotlib"}
NETWORK = re.compile(
    r"\b(?:import|from) (?:socket|ssl|http|urllib\.request|ftplib|smtplib|requests|urllib3)\b"
    r"|from urllib import|torch\.hub|load_state_dict_from_url"
)


def modules_of(path: Path, at_once: bool = False) -> set[str]:
    """Top-level names of the modules that a Python or Snakemake file imports, or does `at_once`."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".smk":
        # Imports are the part of these files that is plain Python.
        text = "\n".join(re.findall(r"^\s*((?:import|from) \w[\w. ]*(?:import .*)?)$", text, re.M))
    names = set()
    tree = ast.parse(text)
    for node in tree.body if at_once else ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


def distributions(*folders: str) -> set[str]:
    """Canonical names of the distributions that the sources below `folders` import."""
    files = [p for f in folders for kind in ("*.py", "*.smk") for p in (ROOT / f).rglob(kind)]
    own = {*SOURCES, "tracin", "tools"}
    modules = set.union(*map(modules_of, files)) - own - set(sys.stdlib_module_names)
    known = packages_distributions()
    found = {BENCHMARKED.get(m) or known.get(m, [f"unknown module {m}"])[0] for m in modules}
    return {canonical(name) for name in found}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def reached(script: Path) -> list[Path]:
    """A script and the library's files that it imports as it starts, directly or not."""
    folder, found = ROOT / "workflow_scripts", [script]
    for path in found:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            files = [folder / f"{name.replace('.', '/')}.py" for name in names]
            found += [file for file in files if file.exists() and file not in found]
    return found


def environments() -> dict[str, set[str]]:
    """Which environments the rules of each script name."""
    text = "\n\n".join(path.read_text(encoding="utf-8") for path in ROOT.glob("rules/*.smk"))
    found: dict[str, set[str]] = {}
    for rule in re.split(r"^rule ", text, flags=re.MULTILINE)[1:]:
        script = re.search(r'script:\s+"\.\./workflow_scripts/(\w+\.py)"', rule)
        named = re.search(r'conda:\s+"\.\./envs/(\w+\.yaml)"', rule)
        if script:
            found.setdefault(script[1], set()).add(named[1] if named else "none")
    return found


def declared() -> dict[str, set[str]]:
    """Canonical names in pyproject.toml, by group."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = {"run": project["dependencies"]} | project["optional-dependencies"]
    return {
        group: {canonical(re.split(r"[\[<>=!~ ;]", item)[0]) for item in items}
        for group, items in groups.items()
    }


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-cuda.lock"])
def test_every_locked_file_has_a_hash(name: str) -> None:
    text = re.sub(r"^#.*\n", "", (ROOT / name).read_text(encoding="utf-8"), flags=re.MULTILINE)
    entry = r"[a-z0-9.-]+==\S+(?: ; [^\\\n]+)?(?: \\\n    --hash=sha256:[0-9a-f]{64})+\n"
    assert re.fullmatch(f"(?:{entry})+", text)


def test_the_lock_holds_what_is_declared() -> None:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    locked = {canonical(name) for name in re.findall(r"^([\w.-]+)==", text, re.MULTILINE)}
    assert declared()["run"] | declared()["dev"] <= locked


def test_every_import_of_the_workflow_is_a_declared_dependency() -> None:
    assert distributions("workflow_scripts", "rules") <= declared()["run"]


def test_every_other_import_is_declared() -> None:
    assert distributions(*SOURCES, "rules") <= set.union(*declared().values())


def test_every_dependency_is_imported() -> None:
    used = distributions(*SOURCES, "rules") | set(UNIMPORTED)
    assert not set.union(*declared().values()) - used
    assert not declared()["run"] - distributions("workflow_scripts", "rules") - set(UNIMPORTED)


@pytest.mark.parametrize(("script", "names"), environments().items())
def test_the_environment_of_a_rule_has_what_its_script_imports(
    script: str, names: set[str]
) -> None:
    files = reached(ROOT / "workflow_scripts" / script)
    modules = set.union(*(modules_of(file, at_once=True) for file in files))
    modules -= {"tracin", *sys.stdlib_module_names}
    for name in names:
        text = (ROOT / "envs" / name).read_text(encoding="utf-8")
        held = {CONDA.get(n, n) for n in re.findall(r"^  - ([\w-]+)==", text, re.MULTILINE)}
        known = packages_distributions()
        assert {canonical(known[module][0]) for module in modules} <= held


def test_only_the_weights_can_come_from_the_network() -> None:
    files = [*(ROOT / "workflow_scripts").rglob("*.py"), *(ROOT / "rules").rglob("*.smk")]
    reaching = {path.name for path in files if NETWORK.search(path.read_text(encoding="utf-8"))}
    assert reaching == {"weights.py"}


@pytest.mark.skipif(not without_network(), reason="needs the right to run `unshare --net`")
def test_the_demo_runs_without_a_network(demo: Path) -> None:
    """The shared demo was made behind `without_network`, where there is no interface but lo."""
    command = [*without_network(), "cat", "/proc/net/dev"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert [line.split(":")[0].strip() for line in lines[2:]] == ["lo"]
    assert (demo / "results/original/summary.json").exists()
