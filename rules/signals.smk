import signal

import psutil


def end_jobs_with_snakemake():
    """Let SIGTERM and SIGINT end the jobs on this machine; Snakemake alone waits until they are done.

    Jobs that run on a cluster go on, as Snakemake has it.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        before = signal.getsignal(number)
        signal.signal(number, lambda *given, before=before: (end_jobs(), before(*given)))


def end_jobs():
    """Send SIGTERM to the scripts that run below this process."""
    for process in psutil.Process().children(recursive=True):
        try:
            if any(".snakemake/scripts/" in part for part in process.cmdline()):
                process.terminate()
        except psutil.NoSuchProcess:
            pass


onstart:
    end_jobs_with_snakemake()
