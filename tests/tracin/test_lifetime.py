"""Workers don't outlive a killed owner."""

import os
import signal
import subprocess
import sys

import psutil

CODE = """
import os, signal, time
from concurrent.futures import ProcessPoolExecutor
from tracin.lifetime import end_with_parent

if __name__ == "__main__":
    pool = ProcessPoolExecutor(2, initializer=end_with_parent)
    found = {pool.submit(os.getpid).result() for _ in range(8)}
    pool.submit(time.sleep, 60), pool.submit(time.sleep, 60)
    time.sleep(0.5)
    print(*found, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_workers_end_with_a_killed_owner() -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", CODE]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout
        workers = [psutil.Process(int(pid)) for pid in owner.stdout.readline().split()]
    assert owner.returncode == -signal.SIGKILL and workers
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert not alive
