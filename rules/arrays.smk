import argparse
import os
import sys
import zlib
from itertools import groupby
from operator import attrgetter


def run_own_task():
    """In a task of a Slurm job array, become the Snakemake of the task's own job.

    Plugin 2.8 starts every task as the array's first job, which starts the task's own one and then waits
    for the outputs of the first: a task that is done long before that fails (issue 447 of
    snakemake-executor-plugin-slurm).
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--slurm-jobstep-array-execs")
    given = parser.parse_known_args()[0].slurm_jobstep_array_execs
    if given:
        from snakemake_executor_plugin_slurm_jobstep import parse_array_execs

        # The first task has no entry: it is what it was started as.
        if own := parse_array_execs(given).get(os.environ.get("SLURM_ARRAY_TASK_ID")):
            sys.stdout.flush()
            sys.stderr.flush()
            os.execvp("sh", ["sh", "-c", zlib.decompress(bytes.fromhex(own)).decode()])


def submit_attempts_apart():
    """Never put a retry into one Slurm job array with first attempts.

    Plugin 2.8 requests the memory and time of an array's first job for all of its tasks, but a retry's grow
    with the attempt.
    """
    if plugin := sys.modules.get("snakemake_executor_plugin_slurm"):
        together = plugin.Executor._submit_array_jobs
        attempt = attrgetter("attempt")

        def apart(executor, jobs):
            for _, same in groupby(sorted(jobs, key=attempt), key=attempt):
                together(executor, list(same))

        plugin.Executor._submit_array_jobs = apart


run_own_task()
submit_attempts_apart()
