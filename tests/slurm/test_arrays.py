"""What is submitted as one array, as the plugin itself writes it; no Slurm is needed."""

import hashlib
import logging
import runpy
from itertools import groupby
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import snakemake_executor_plugin_slurm as plugin
from snakemake.iocontainers import ResourceList

from tests.conftest import ROOT

# Bytes of one argument on Linux, with the zero at its end.
ARGUMENT = 131_072


class Slurm:
    """The plugin's executor without a workflow: what it would submit is kept."""

    run_array_jobs = plugin.Executor.run_array_jobs

    def __init__(self, folder: Path, length: int) -> None:
        self.logger: Any = logging.getLogger("slurm")
        self.slurm_logdir, self.run_uuid, self._failed_nodes = folder, "run", ["node9"]
        settings = SimpleNamespace(
            disable_memory_fudge=False,
            pass_command_as_script=False,
            requeue=True,
            qos=None,
            reservation=None,
        )
        self.workflow: Any = SimpleNamespace(executor_settings=settings, workdir_init=folder)
        self.max_array_size = 1000
        self._job_submission_executor: Any = SimpleNamespace(submit=lambda run, jobs: run(jobs))
        self.length = length
        self.submitted: list[tuple[int, int]] = []  # Slurm's job and the attempt of each task

    def format_job_exec(self, job: Any) -> str:
        # Hexadecimal digits of no pattern: no path is compressed worse.
        texts = (hashlib.sha512(f"{job.jobid} {i}".encode()).hexdigest() for i in range(99))
        return "".join(texts)[: self.length]

    def run_job_pre(self, job: Any) -> None:
        pass

    def get_account_arg(self, job: Any) -> Any:
        yield ""

    def get_partition_arg(self, job: Any) -> str:
        return ""

    def _report_job_submission_threadsafe(self, info: Any) -> None:
        self.submitted.append((int(info.external_jobid.split("_")[0]), info.job.attempt))


def submit(
    folder: Path, monkeypatch: pytest.MonkeyPatch, attempts: list[int], length: int
) -> tuple[list[str], list[list[int]]]:
    """Submit a job for each attempt: the shell commands, and the attempts in each array."""
    commands: list[str] = []

    def shell(call: str, **_: object) -> SimpleNamespace:
        commands.append(call)
        out = str(len(commands))
        return SimpleNamespace(communicate=lambda input: (out, ""), returncode=0)

    monkeypatch.setattr(plugin.subprocess, "Popen", shell)
    monkeypatch.setattr(plugin.Executor, "_submit_array_jobs", plugin.Executor._submit_array_jobs)
    runpy.run_path(str(ROOT / "rules/arrays.smk"))
    executor = Slurm(folder, length)
    jobs = [job(number, attempt) for number, attempt in enumerate(attempts)]
    plugin.Executor._submit_array_jobs(executor, jobs)
    arrays = groupby(executor.submitted, key=lambda task: task[0])
    return commands, [[attempt for _, attempt in tasks] for _, tasks in arrays]


def job(number: int, attempt: int) -> Any:
    return SimpleNamespace(
        jobid=number,
        name="tile",
        rule=SimpleNamespace(name="tile"),
        attempt=attempt,
        wildcards=[],
        threads=4,
        is_group=lambda: False,
        resources=ResourceList(fromdict={"mem_mb": 16000, "runtime": 60, "gpu": 1}),
    )


def test_a_retry_is_in_no_array_with_first_attempts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plugin requests what the first job of an array needs for all of them."""
    assert submit(tmp_path, monkeypatch, [1, 2, 1, 3], 100)[1] == [[1, 1], [2], [3]]


@pytest.mark.parametrize("length", [100, 3000, 9000])
def test_no_array_is_more_than_a_shell_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    commands, arrays = submit(tmp_path, monkeypatch, [1] * 300, length)
    assert sum(map(len, arrays)) == 300 and len(commands) == len(arrays)
    assert max(map(len, commands)) < ARGUMENT
    # And none is much less, but for the last.
    assert len(commands) == 1 or min(map(len, commands[:-1])) > 80_000
