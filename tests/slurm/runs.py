"""Runs of the demo on the cluster and without it, and what is done to them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import pandas as pd
import psutil
import yaml
from safetensors import safe_open

from tests.conftest import copy_workflow
from tests.slurm.cluster import Cluster, Job, command

T = TypeVar("T")

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
PROFILE += ("--slurm-init-seconds-before-status-checks", "1", "--latency-wait", "10")


# Of the second run's training: a first attempt of one minute, on the node that will be lost.
FRAIL = {"runtime": "1 if attempt == 1 else 30", "slurm_partition": "frail"}
TRAINED = "results/original/seed0/training.parquet"


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


@dataclass(frozen=True)
class Unlucky:
    """A training that ran out of time and then lost its node, and the same run without Slurm."""

    folder: Path
    local: Path
    jobs: list[Job]
    logs: list[str]  # of the training: of each start, until it was killed or done


@dataclass(frozen=True)
class Going:
    """A run that is on its way."""

    cluster: Cluster
    folder: Path
    process: subprocess.Popen[bytes]

    def log(self, name: str) -> str:
        """A job's log as far as it is written."""
        path = self.folder / "results/logs/original/seed0" / name
        return path.read_text() if path.exists() else ""

    def wait_for(self, seen: Callable[[], T | None]) -> T:
        """What `seen` returns as soon as it is something."""
        while not (found := seen()):
            assert self.process.poll() is None, (self.folder / "run.log").read_text()[-4000:]
            time.sleep(0.1)
        return found

    def first(self, rule: str, logs: str) -> Job:
        """The rule's first job that runs, as soon as one of the logs is begun."""

        def seen() -> Job | None:
            running = self.cluster.running(self.folder, rule)
            begun = any((self.folder / "results/logs/original/seed0").glob(logs))
            return running[0] if running and begun else None

        return self.wait_for(seen)

    def end(self) -> None:
        """Wait for the end of Snakemake."""
        code = self.process.wait(timeout=600)
        assert code == 0, (self.folder / "run.log").read_text()[-4000:]


def small_demo(folder: Path) -> Path:
    (copy_workflow(folder) / "small.yaml").write_text(yaml.safe_dump(SMALL))
    return folder


def ask_for(folder: Path, rule: str, resources: dict[str, str]) -> None:
    """Change what a run's profile says of a rule."""
    path = folder / "profiles/slurm/profile.yaml"
    profile = yaml.safe_load(path.read_text())
    profile["set-resources"][rule] |= resources
    path.write_text(yaml.safe_dump(profile))


@contextmanager
def launch(cluster: Cluster, folder: Path, *arguments: str) -> Iterator[Going]:
    """Start Snakemake in `folder`, its output going to run.log there."""
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    words = [sys.executable, "-m", "snakemake", *arguments, *COMMON]
    with open(folder / "run.log", "wb") as log:
        process = subprocess.Popen(
            words, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        yield Going(cluster, folder, process)
    finally:
        process.kill()


def disturb(run: Going) -> tuple[list[Job], datetime, datetime]:
    """Cancel the training and a tile, and keep a node drained in between.

    Returns:
        The cancelled jobs, and when the node was drained and given back.
    """
    training = run.first("train", "train.log")
    command("scancel", training.id)
    run.first("gradients", "gradients/0/*.log")
    command("scontrol", "update", "nodename=node2", "state=drain", "reason=test")
    drained = datetime.now()
    tile = run.first("tile", "tiles/*.log")
    command("scancel", tile.id)
    # Slurm's record has whole seconds.
    resumed = datetime.now().replace(microsecond=0)
    command("scontrol", "update", "nodename=node2", "state=resume")
    return [training, tile], drained, resumed


def run_out_of_luck(run: Going) -> list[str]:
    """Let the training hang until its time is over, and then lose its node in mid-epoch.

    Returns:
        The training's log until either.
    """
    state = run.folder / "results/original/seed0/training_state/state.pt"
    run.wait_for(state.exists)
    job = run.cluster.running(run.folder, "train")[0]
    script_of(run.folder, "train.py").send_signal(signal.SIGSTOP)
    saved, logs = state.stat().st_mtime_ns, [run.log("train.log")]

    def further() -> Job | None:
        running = run.cluster.running(run.folder, "train")
        return running[0] if running and state.stat().st_mtime_ns > saved else None

    again = run.wait_for(further)
    assert again.id != job.id
    run.cluster.cut_power(again)
    logs.append(run.log("train.log"))
    run.wait_for(lambda: "down" in command("sinfo", "-h", "-n", again.node, "-o", "%T"))
    run.cluster.restore_power(again.node)
    # Slurm starts it again by itself, two minutes later. Hurried (starttime=now), the new start was
    # once killed in mid-run, and slurmctld crashed.
    return logs


def script_of(folder: Path, name: str) -> psutil.Process:
    """The process of a run that works on a rule's script."""
    for process in psutil.process_iter(["cmdline", "cwd"]):
        last = (process.info["cmdline"] or [""])[-1]
        if process.info["cwd"] == str(folder) and last.endswith(name) and "/scripts/" in last:
            return process
    raise AssertionError(f"no process runs {name} in {folder}")


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
