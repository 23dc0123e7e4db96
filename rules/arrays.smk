import argparse
import os
import sys
import zlib
from itertools import groupby
from operator import attrgetter

# Bytes for the commands of an array: Linux takes 131,072 in one argument, and sbatch's own options with the
# paths in them need some.
ROOM = 100_000


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


def submit_in_parts():
    """Cut what is submitted as one Slurm job array: by attempts, and to what Linux takes.

    Plugin 2.8 requests the memory and time of an array's first job for all of its tasks, but a retry's grow
    with the attempt. And it gives the commands of all tasks to a shell as one argument.
    """
    if plugin := sys.modules.get("snakemake_executor_plugin_slurm"):
        together = plugin.Executor._submit_array_jobs
        attempt = attrgetter("attempt")

        def apart(executor, jobs):
            for _, same in groupby(sorted(jobs, key=attempt), key=attempt):
                for part in parts(executor, same):
                    together(executor, part)

        plugin.Executor._submit_array_jobs = apart


def parts(executor, jobs):
    """Runs of jobs whose commands fit into one argument, as the plugin writes them there.

    The first one's is plain text, the others' are compressed, in hexadecimal in JSON, and that in base64.
    """
    part, used = [], 0
    for job in jobs:
        command = executor.format_job_exec(job).encode()
        packed = 2 * len(zlib.compress(command, level=9)) + len('"1000": "", ')
        size = -(-packed * 4 // 3)
        if part and used + size > ROOM:
            yield part
            part, used = [], 0
        used += size if part else len(command)
        part.append(job)
    yield part


run_own_task()
submit_in_parts()
