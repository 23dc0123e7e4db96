import os
import queue
import select
import signal
import threading

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
            drop_unread_output(seconds=1)

    threading.Thread(target=stop, daemon=True).start()


def drop_unread_output(seconds):
    """Wait, and send what Snakemake prints nowhere from the moment that nobody reads it any more.

    It would not learn of the end of a job that it can't tell of, and wait for that job for ever.
    """
    poll = select.poll()
    for descriptor in (1, 2):
        poll.register(descriptor, 0)  # what always wakes: an error, or no reader
    for descriptor, _ in poll.poll(1000 * seconds):
        os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)


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
