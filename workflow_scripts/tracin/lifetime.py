"""Processes that end with the one that started them."""

from __future__ import annotations

import atexit
import os
import signal
import threading
import time
from types import FrameType


def _in_session(process: int) -> bool:
    """Whether a process is in this one's session: what started it is, what adopted it is not."""
    try:
        return os.getsid(process) == os.getsid(0)
    except OSError:
        return False


def end_with_parent(pause: float = 0.5) -> None:
    """End this process once its parent is gone, looked for every `pause` seconds.

    A job whose Snakemake was killed would otherwise go on beside the one that a rerun starts, and
    the workers of a pool whose owner was killed would wait for ever.
    """
    parent = os.getppid()

    def watch() -> None:
        # The parent may have been killed before this was called, while the job was importing.
        while os.getppid() == parent and _in_session(parent):
            time.sleep(pause)
        os._exit(1)

    threading.Thread(target=watch, name="end_with_parent", daemon=True).start()


def clean_up_on_sigterm(grace: float = 3.0) -> None:
    """Let SIGTERM end this process by an exception, so that context managers clean up.

    SIGALRM ends it without them after `grace` seconds, and the workers that it forks end at once:
    those wait for one another, or for work that is under way, as long as that takes. Once all is
    cleaned up it does not take the interpreter down module by module, which takes seconds.
    """
    owner = os.getpid()

    def stop(number: int, frame: FrameType | None) -> None:
        if os.getpid() != owner:
            os._exit(128 + number)
        signal.signal(number, signal.SIG_IGN)
        # The kernel's clock: a thread may need a lock that the interrupted code holds.
        signal.setitimer(signal.ITIMER_REAL, grace)
        # torch's handler would raise an exception of its own for every worker that this ends.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        atexit.register(os._exit, 128 + number)
        raise SystemExit(f"stopped by signal {number}")

    signal.signal(signal.SIGTERM, stop)
