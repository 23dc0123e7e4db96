"""The two profiles by dry runs and as data; no Slurm is needed."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
import yte

from tests.conftest import ROOT, snakemake
from tests.rules.test_plan import jobs

SLURM = ("--profile", "profiles/slurm")
ALL = ("--configfile", "examples/animals10.yaml")
RULE = re.compile(r"^rule (\w+):\n(.*?)(?=^rule |\Z)", re.MULTILINE | re.DOTALL)


def rules() -> dict[str, str]:
    """The text of every rule, by its name."""
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "rules").glob("*.smk")]
    return dict(RULE.findall("\n".join([*texts, (ROOT / "Snakefile").read_text()])))


def profile() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "profiles/slurm/profile.yaml").read_text(encoding="utf-8"))


def asked(plan: str, rule: str) -> str:
    """What a plan that names each job says of a rule's first job outside any group."""
    return plan[plan.index(f"\nrule {rule}:") :].split("\n[", 1)[0]


def test_only_rules_that_use_a_gpu_ask_for_one() -> None:
    asking = {n for n, settings in profile()["set-resources"].items() if settings.get("gpu")}
    assert asking == {name for name, text in rules().items() if "gpu=gpu()," in text}


@pytest.mark.parametrize("key", ["set-resources", "set-threads", "groups"])
def test_the_profile_names_rules_that_exist(key: str) -> None:
    assert set(profile()[key]) <= set(rules())


def test_arrays_are_of_rules_without_a_group_and_without_limits() -> None:
    given = profile()
    assert not set(given["slurm-array-jobs"].split(",")) & set(given["groups"])
    # The plugin forgets jobs that Snakemake's own limits hold back from an array.
    assert given["jobs"] == "unlimited" and given["set-resource-scopes"] == {"gpu": "local"}


def test_a_job_that_fails_takes_no_finding_with_it() -> None:
    """Of a group that fails, Snakemake deletes the outputs of all jobs."""
    assert set(profile()["groups"]) == {"manifest", "label_set"}


def test_memory_and_time_grow_with_the_attempt() -> None:
    given = profile()
    for settings in (given["default-resources"], *given["set-resources"].values()):
        for name in {"mem_mb", "runtime"} & set(settings):
            assert settings[name].startswith("attempt * ")
    assert given["retries"] >= 2


def test_the_profile_is_found_by_path_and_by_name(
    workflow: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    by_path = snakemake(workflow, "-n", *SLURM, *ALL)
    config = tmp_path_factory.mktemp("config")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(config))
    missing = snakemake(workflow, "-n", "--profile", "slurm", *ALL, check=False)
    assert "no profile.yaml" in missing
    (config / "snakemake").mkdir()
    (config / "snakemake" / "slurm").symlink_to(workflow / "profiles" / "slurm")
    by_name = snakemake(workflow, "-n", "--profile", "slurm", *ALL)
    assert jobs(by_path) == jobs(by_name) == jobs(snakemake(workflow, "-n", *ALL))
    for plan in (by_path, by_name):
        training, tile, other = (asked(plan, rule) for rule in ("train", "tile", "self_influence"))
        # More than this machine may have: the default profile's cores don't count here.
        assert "    threads: 8\n" in training
        assert "gpu=1, " in tile and "mem_mb=16000," in tile and "runtime=60," in tile
        assert "gpu=" not in other and "mem_mb=8000," in other and "runtime=30" in other


@pytest.mark.parametrize(
    ("gpus", "named", "expected_gpus"),
    [
        (0, None, 1),
        (1, None, 1),
        (4, None, 4),
        (4, "3", 1),
        (4, "GPU-1a, GPU-2b", 2),
        (4, "", 1),
        (1, "0,1", 1),
    ],
)
def test_the_default_profile_counts_the_gpus_that_jobs_may_use(
    monkeypatch: pytest.MonkeyPatch, gpus: int, named: str | None, expected_gpus: int
) -> None:
    monkeypatch.setattr("glob.glob", lambda pattern: [f"/dev/nvidia{i}" for i in range(gpus)])
    monkeypatch.delenv("SNAKEMAKE_PROFILE", raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if named is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    text = (ROOT / "profiles/default/profile.yaml").read_text(encoding="utf-8")
    for arguments, expected in ((["-n"], "all"), (["--profile", "slurm"], None)):
        monkeypatch.setattr("sys.argv", ["snakemake", *arguments])
        given = yte.process_yaml(text)
        assert given.get("cores") == expected and given["rerun-incomplete"]
        assert given.get("resources") == ([f"gpu={expected_gpus}"] if expected else None)
