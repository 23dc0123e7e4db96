"""What was told to end ends, and what it started ends with it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.robustness.runs import gone

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
    assert gone(workers, 10)


ADOPTED = """
import os, time
parent = os.getpid()
if os.fork():
    os._exit(0)
while os.getppid() == parent:
    time.sleep(0.01)
from tracin.lifetime import end_with_parent
print(os.getpid(), flush=True)
time.sleep(0.5)
end_with_parent()
time.sleep(60)
"""


def test_a_process_whose_parent_is_gone_already_ends_too() -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", ADOPTED]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as owner:
        assert owner.stdout
        orphan = psutil.Process(int(owner.stdout.readline()))
    assert gone([orphan], 10)


WAITING = """
import sys, time
from pathlib import Path
from tracin.lifetime import clean_up_on_sigterm
clean_up_on_sigterm(0.5)
try:
    print(flush=True)
    time.sleep(60)
finally:
    Path(sys.argv[1]).touch()
    time.sleep(float(sys.argv[2]))
"""


@pytest.mark.parametrize(("cleaning", "status"), [(0, 128 + signal.SIGTERM), (60, -signal.SIGALRM)])
def test_sigterm_cleans_up_but_not_for_ever(tmp_path: Path, cleaning: int, status: int) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", WAITING, str(tmp_path / "cleaned"), str(cleaning)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as job:
        assert job.stdout
        job.stdout.readline()
        job.terminate()
        assert job.wait(20) == status
    assert (tmp_path / "cleaned").exists()
