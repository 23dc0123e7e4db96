import queue
import signal
import threading
import time

import psutil


def end_jobs_with_snakemake():
    """Let SIGTERM and SIGINT end the jobs on this machine; Snakemake alone waits until they are done.

    Jobs that run on a cluster go on, as Snakemake has it.
    """
    interrupt, finish = (signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM))
    signal.signal(signal.SIGINT, lambda *given: (end_jobs(), interrupt(*given)))
    stops = queue.SimpleQueue()
    signal.signal(signal.SIGTERM, lambda *given: stops.put(given))

    def stop():
        # Snakemake's handler takes a lock that the code it interrupts may hold: a thread can wait.
        finish(*stops.get())
        # Snakemake still starts the jobs that it is choosing.
        while True:
            end_jobs()
            time.sleep(1)

    threading.Thread(target=stop, daemon=True).start()


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
