"""A real Slurm on this machine, and what its own record says of the jobs."""

import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from os import environ, kill
from pathlib import Path

import psutil

HERE = Path(__file__).resolve().parent
GPUS_PER_NODE = 2
GROUPS = ("dataset",)
UNITS = {"M": 1, "G": 1024}


@dataclass(frozen=True)
class Job:
    """One job, or one task of an array, as Slurm has it."""

    id: str
    rule: str  # a rule, or a group of them
    state: str
    gpus: int
    mem_mb: int
    minutes: int
    node: str
    submitted: datetime
    started: datetime | None
    ended: datetime | None
    folder: Path  # in which it works
    restarts: int  # by Slurm itself, after its node was lost

    @classmethod
    def from_record(cls, line: str) -> "Job":
        """Read one line of `scontrol show job --oneliner`."""
        fields = dict(re.findall(r"([\w/:]+)=(\S*)", line))
        memory = re.fullmatch(r"([\d.]+)([MG])", fields["MinMemoryNode"])
        assert memory, line
        task = fields.get("ArrayTaskId")
        return cls(
            id=f"{fields['ArrayJobId']}_{task}" if task else fields["JobId"],
            rule=rule_of(fields["Comment"]),
            state=fields["JobState"],
            gpus=int(fields.get("TresPerJob", "gres:gpu:0").rsplit(":", 1)[1]),
            mem_mb=round(float(memory[1]) * UNITS[memory[2]]),
            minutes=minutes_of(fields["TimeLimit"]),
            node=fields["NodeList"],
            submitted=datetime.fromisoformat(fields["SubmitTime"]),
            started=moment(fields["StartTime"]),
            ended=moment(fields["EndTime"]),
            folder=Path(fields["WorkDir"]),
            restarts=int(fields["Restarts"]),
        )


def rule_of(comment: str) -> str:
    """The rule, or the group of rules, that the plugin's comment on a job names."""
    name = re.sub(r"_wildcards_.*", "", comment.removeprefix("rule_"))
    return next((group for group in GROUPS if name.startswith(f"{group}_")), name)


def minutes_of(limit: str) -> int:
    """Minutes of a time limit like 1-12:30:00."""
    days, _, clock = limit.rpartition("-")
    hours, minutes, _ = map(int, clock.split(":"))
    return (24 * int(days or 0) + hours) * 60 + minutes


def moment(text: str) -> datetime | None:
    return None if text == "Unknown" else datetime.fromisoformat(text)


class Cluster:
    """Three nodes with two GPUs each; its files are in `folder`.

    Two nodes are the default partition. The third is the partition `frail`, for jobs that lose it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def start(self) -> str:
        """Start it; the reason where that can't be done here."""
        done = subprocess.run([HERE / "start.sh", self.folder], capture_output=True, text=True)
        if done.returncode not in (0, 3):
            raise RuntimeError(done.stdout + done.stderr)
        return done.stdout.strip().splitlines()[-1] if done.returncode else ""

    def stop(self) -> None:
        subprocess.run([HERE / "stop.sh", self.folder], check=True)

    def jobs(self, folder: Path) -> list[Job]:
        """Every job of a run so far, in the order of submission; pending arrays are left out."""
        lines = command("scontrol", "show", "job", "--oneliner").splitlines()
        parts = [line for line in lines if re.match(r"JobId=\d", line)]
        pending = re.compile(r"ArrayTaskId=\S*[-,%]")
        jobs = [Job.from_record(line) for line in parts if not pending.search(line)]
        ours = [job for job in jobs if job.folder == folder]
        return sorted(ours, key=lambda job: (job.submitted, job.id))

    def running(self, folder: Path, rule: str) -> list[Job]:
        """Jobs of a run's rule that run now."""
        return [job for job in self.jobs(folder) if (job.rule, job.state) == (rule, "RUNNING")]

    def cut_power(self, job: Job) -> None:
        """Kill, all at once, Slurm's daemon on a job's node and the job's processes."""
        steps = [
            process
            for process in psutil.process_iter(["cmdline"])
            if " ".join(process.info["cmdline"] or []).startswith(f"slurmstepd: [{job.id}.")
        ]
        assert steps, job
        daemon = int((self.folder / f"run/{job.node}.pid").read_text())
        below = [child.pid for step in steps for child in step.children(recursive=True)]
        for pid in (daemon, *(step.pid for step in steps), *below):
            with suppress(ProcessLookupError):
                kill(pid, signal.SIGKILL)

    def restore_power(self, node: str) -> None:
        """Start the daemon of a node again."""
        path = f"{environ['PATH']}:/usr/sbin:/sbin"
        subprocess.run([shutil.which("slurmd", path=path) or "slurmd", "-N", node], check=True)
        while "idle" not in command("sinfo", "-h", "-n", node, "-o", "%T"):
            time.sleep(0.2)


def command(*words: str) -> str:
    """Run one of Slurm's commands; its output."""
    done = subprocess.run(words, check=True, capture_output=True, text=True, timeout=30)
    return done.stdout


def most_at_once(jobs: list[Job], weight: Callable[[Job], int]) -> int:
    """The largest sum of weights among jobs that ran at the same time."""
    changes = []
    for job in jobs:
        if job.started and job.ended:
            changes += [(job.started, weight(job)), (job.ended, -weight(job))]
    most = now = 0
    # Of changes in the same second the ends come first.
    for _, change in sorted(changes):
        now += change
        most = max(most, now)
    return most
