"""The demo on a real Slurm, disturbed in mid-run: same results, only what is stale is submitted."""

import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest
import yaml
from safetensors import safe_open

from tests.conftest import copy_workflow, snakemake
from tests.rules.test_plan import AFTER_TRAINING, LISTS, jobs, setting
from tests.slurm.cluster import GPUS_PER_NODE, Cluster, Job, command, most_at_once

# The demo with small images and few jobs.
SMALL = {
    "dataset": {"stored_size": 18},
    "train": {"input_size": 16, "epochs": 3, "checkpoint_every": 4},
    "influence": {"checkpoints": 1},
    "label_errors": {"random_views": 1},
    "figures": {"grid_images": 6, "mistakes": 2, "detailed": 1},
}
# One thread everywhere, so that sums are taken in the same order on both sides.
COMMON = ("--max-threads", "1", "--configfile", "small.yaml")
# As shipped, but for what this cluster lacks (slurmdbd) and for a test's patience.
PROFILE: tuple[str, ...] = ("--profile", "profiles/slurm", "--slurm-status-command", "squeue")
PROFILE += ("--slurm-init-seconds-before-status-checks", "1")
# GPUs, MB and minutes of a first attempt, as the profile has them.
REQUESTS = {
    "dataset": (0, 8000, 120 + 3 * 30),
    "near_duplicates": (0, 8000, 30),
    "train": (1, 16000, 720),
    "predict": (1, 8000, 60),
    "views": (1, 8000, 120),
    "gradients": (1, 8000, 60),
    "tile": (1, 16000, 60),
    "self_influence": (0, 8000, 30),
}


@dataclass(frozen=True)
class Run:
    """A finished run through the profile, and the same run without Slurm."""

    folder: Path
    local: Path
    jobs: list[Job]
    cancelled: list[Job]
    drained: datetime
    resumed: datetime
    output: str


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    started = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        if reason := started.start():
            pytest.skip(f"no Slurm to test on: {reason}")
        yield started
    finally:
        started.stop()


def small_demo(folder: Path) -> Path:
    (copy_workflow(folder) / "small.yaml").write_text(yaml.safe_dump(SMALL))
    return folder


def launch(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Start Snakemake in `folder`, its output going to run.log there."""
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    words = [sys.executable, "-m", "snakemake", *COMMON, *arguments]
    with open(folder / "run.log", "wb") as log:
        return subprocess.Popen(
            words, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT
        )


def disturb(
    cluster: Cluster, folder: Path, going: Callable[[], bool]
) -> tuple[list[Job], datetime, datetime]:
    """Cancel the training and a tile, and keep a node drained in between.

    Returns:
        The cancelled jobs, and when the node was drained and given back.
    """

    def first(rule: str, log: str) -> Job:
        """The rule's first job that runs, as soon as its script has begun its log."""
        while True:
            assert going(), (folder / "run.log").read_text()[-4000:]
            running = cluster.running(rule)
            if running and any((folder / "results/logs/original/seed0").glob(log)):
                return running[0]
            time.sleep(0.2)

    training = first("train", "train.log")
    command("scancel", training.id)
    first("gradients", "gradients/0/*.log")
    command("scontrol", "update", "nodename=node2", "state=drain", "reason=test")
    drained = datetime.now()
    tile = first("tile", "tiles/*.log")
    command("scancel", tile.id)
    # Slurm's record has whole seconds.
    resumed = datetime.now().replace(microsecond=0)
    command("scontrol", "update", "nodename=node2", "state=resume")
    return [training, tile], drained, resumed


@pytest.fixture(scope="module")
def run(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder, local = (small_demo(tmp_path_factory.mktemp(name)) for name in ("slurm", "local"))
    processes = [launch(local, "--cores", "all"), launch(folder, *PROFILE)]
    try:
        cancelled, drained, resumed = disturb(cluster, folder, lambda: processes[1].poll() is None)
        for process, where in zip(processes, (local, folder), strict=True):
            code = process.wait(timeout=600)
            assert code == 0, (where / "run.log").read_text()[-4000:]
    finally:
        for process in processes:
            process.kill()
    output = (folder / "run.log").read_text()
    yield Run(folder, local, cluster.jobs(), cancelled, drained, resumed, output)


def results(folder: Path) -> dict[str, Path]:
    """Every result by its name; logs and timings are none."""
    root = folder / "results"
    found = {str(path.relative_to(root)): path for path in root.rglob("*") if path.is_file()}
    timed = {name for name, path in found.items() if path.stem == "timings"}
    return {
        name: path
        for name, path in found.items()
        if name not in timed and not name.startswith(("logs/", "timings/"))
    }


def same(ours: Path, theirs: Path) -> bool:
    """Whether two files hold the same; the order of a tensor file's metadata is chance."""
    if ours.suffix == ".safetensors":
        with safe_open(ours, "numpy") as a, safe_open(theirs, "numpy") as b:
            names = set(a.keys())
            if names != set(b.keys()) or a.metadata() != b.metadata():
                return False
            return all((a.get_tensor(name) == b.get_tensor(name)).all() for name in names)
    if ours.name == "training.parquet":
        clocks = ["seconds", "images_per_second"]
        return (
            pd.read_parquet(ours)
            .drop(columns=clocks)
            .equals(pd.read_parquet(theirs).drop(columns=clocks))
        )
    return ours.read_bytes() == theirs.read_bytes()


def test_every_result_equals_a_local_run(run: Run) -> None:
    here, there = results(run.local), results(run.folder)
    assert here.keys() == there.keys() and len(here) > 50
    assert [name for name in here if not same(here[name], there[name])] == []


def test_each_rule_asked_for_what_the_profile_says(run: Run) -> None:
    again = {job.rule for job in run.cancelled}
    for rule, request in REQUESTS.items():
        asked = [(job.gpus, job.mem_mb, job.minutes) for job in run.jobs if job.rule == rule]
        assert asked, rule
        # An array asks for one MB more, for the list of its tasks.
        first = [(gpus, mem_mb // 100 * 100, minutes) for gpus, mem_mb, minutes in asked]
        gpus, mem_mb, minutes = request
        expected = {request, (gpus, 2 * mem_mb, 2 * minutes)} if rule in again else {request}
        assert set(first) == expected, rule
    assert {job.rule for job in run.jobs if job.gpus == 0} == {
        *(rule for rule, request in REQUESTS.items() if request[0] == 0),
        "lists",
        "findings",
    }


def test_no_more_gpu_jobs_ran_than_there_are_gpus(run: Run) -> None:
    assert most_at_once(run.jobs, lambda job: job.gpus) == 2 * GPUS_PER_NODE
    for node in ("node1", "node2"):
        on_it = [job for job in run.jobs if job.node == node]
        assert most_at_once(on_it, lambda job: job.gpus) <= GPUS_PER_NODE


def test_tiles_and_shards_are_submitted_together(run: Run) -> None:
    for rule in ("gradients", "tile"):
        arrays = Counter(job.id.split("_")[0] for job in run.jobs if job.rule == rule)
        assert arrays.most_common(1)[0][1] > 1


def test_each_job_saw_the_gpu_that_it_was_given(run: Run) -> None:
    logs = run.folder / "results/logs/original/seed0"
    for path in (logs / "train.log", *(logs / "gradients").rglob("*.log")):
        assert "the GPU 0 that was given" in (text := path.read_text()) or "GPU 1 that" in text


def test_cancelled_jobs_were_submitted_again(run: Run) -> None:
    assert [job.rule for job in run.cancelled] == ["train", "tile"]
    by_id = {job.id: job for job in run.jobs}
    for job in run.cancelled:
        assert by_id[job.id].state == "CANCELLED"
    # A cancelled task may take the others of its array with it: they are submitted again, too.
    assert run.output.count("Trying to restart job") >= 2
    assert [job.state for job in run.jobs if job.rule == "train"] == ["CANCELLED", "COMPLETED"]


def test_a_drained_node_gets_no_new_jobs(run: Run) -> None:
    on_it = [(job.started, job.state) for job in run.jobs if job.node == "node2" and job.started]
    assert not [start for start, _ in on_it if run.drained < start < run.resumed]
    # Those that ran there at the time went on to their ends.
    assert {state for start, state in on_it if start <= run.drained} == {"COMPLETED"}


def test_a_finished_run_has_nothing_to_submit(run: Run) -> None:
    assert jobs(snakemake(run.folder, "-n", *COMMON, *PROFILE)) == {}


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("influence.top_k", 7, LISTS),
        ("figures.mistakes", 1, {"plot_mistakes"}),
        ("train.seeds", [0, 1], AFTER_TRAINING | {"cross_runs"}),
    ],
)
def test_only_what_is_stale_is_submitted(
    run: Run, key: str, value: object, expected: set[str]
) -> None:
    with setting(run.folder, key, value) as overlay:
        planned = snakemake(run.folder, "-n", *COMMON, str(overlay), *PROFILE)
    assert set(jobs(planned)) == expected
    if key == "train.seeds":
        assert not any("seed0" in line for line in planned.splitlines() if "output: " in line)


def test_shorter_lists_run_tiles_and_merge_only(cluster: Cluster, run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run.folder, folder, symlinks=True)
    target = "results/original/seed0/influence/topk.parquet"
    with setting(folder, "influence.top_k", 7) as overlay:
        snakemake(folder, target, *COMMON, str(overlay), *PROFILE)
    new = cluster.jobs()[len(run.jobs) :]
    assert Counter(job.rule for job in new) == {"tile": 2, "lists": 1}
    before, after = (pd.read_parquet(path / target) for path in (run.folder, folder))
    shorter = before[before["rank"] <= 7].reset_index(drop=True)
    pd.testing.assert_frame_equal(after.reset_index(drop=True), shorter)
