"""Processes that end with the one that started them."""

from __future__ import annotations

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

    It ends without them after `grace` seconds, and so do the workers that it forks at once: those
    wait for one another, or for work that is under way, as long as that takes.
    """
    owner = os.getpid()

    def stop(number: int, frame: FrameType | None) -> None:
        if os.getpid() != owner:
            os._exit(128 + number)
        last = threading.Timer(grace, os._exit, (128 + number,))
        last.daemon = True
        last.start()
        raise SystemExit(f"stopped by signal {number}")

    signal.signal(signal.SIGTERM, stop)
