import queue
import signal
import threading

import psutil


def end_jobs_with_snakemake():
    """Let SIGTERM and SIGINT end the jobs on this machine; Snakemake alone waits until they are done.

    Jobs that run on a cluster go on, as Snakemake has it.
    """
    interrupt = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, lambda *given: (end_jobs(), interrupt(*given)))
    # Snakemake's handler takes a lock that the code it interrupts may hold: a thread can wait for it.
    stops = queue.SimpleQueue()
    finish = signal.getsignal(signal.SIGTERM)
    threading.Thread(target=lambda: finish(*stops.get()), daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *given: (end_jobs(), stops.put(given)))


def end_jobs():
    """Send SIGTERM to the scripts that run below this process."""
    for process in psutil.Process().children(recursive=True):
        try:
            if any(".snakemake/scripts/" in part for part in process.cmdline()):
                process.terminate()
        except psutil.Error:  # it ended meanwhile, or is another user's
            pass


onstart:
    end_jobs_with_snakemake()
