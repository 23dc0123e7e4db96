"""Processes that end with the one that started them."""

from __future__ import annotations

import os
import threading
import time


def end_with_parent(pause: float = 0.5) -> None:
    """End this process once its parent is gone, looked for every `pause` seconds.

    A job whose Snakemake was killed would otherwise go on beside the one that a rerun starts, and
    the workers of a pool whose owner was killed would wait for ever.
    """
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(pause)
        os._exit(1)

    threading.Thread(target=watch, name="end_with_parent", daemon=True).start()
