"""Jobs side by side on one machine each get a GPU of their own; no GPU is needed to see it."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tracin.devices import visible_devices

# Claims one of the given devices, says which, and holds it until its input ends.
JOB = """
import sys
from pathlib import Path
from tracin.devices import claim_device
print(claim_device(sys.argv[2:], Path(sys.argv[1]), pause=0.05))
sys.stdin.read()
"""


def job(folder: Path, *names: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-u", "-c", JOB, folder, *names],
        env={"PYTHONPATH": str(ROOT / "workflow_scripts")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def says(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def test_each_job_holds_its_own_device_until_it_ends(tmp_path: Path) -> None:
    jobs = [job(tmp_path, "4", "7") for _ in range(2)]
    assert sorted(map(says, jobs)) == ["0", "1"]
    third = job(tmp_path, "4", "7")
    assert says(third) == "each of the 2 GPUs is taken by another job: waiting for one"
    time.sleep(0.2)
    assert third.poll() is None
    # Killed outright, it leaves its lock file behind but not its lock.
    jobs[0].kill()
    assert says(third) in ("0", "1")
    for process in (jobs[1], third):
        process.communicate()
        assert process.returncode == 0


def test_a_single_device_is_taken_as_given(tmp_path: Path) -> None:
    jobs = [job(tmp_path, "0") for _ in range(2)]
    assert [says(process) for process in jobs] == ["0", "0"]
    for process in jobs:
        process.communicate()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("variable", "count", "expected"),
    [
        ("", 2, ["0", "1"]),
        ("2, 5", 2, ["2", "5"]),
        ("GPU-a,GPU-b", 2, ["GPU-a", "GPU-b"]),
        ("3,4,-1", 2, ["0", "1"]),
    ],
)
def test_devices_are_called_as_the_environment_calls_them(
    monkeypatch: pytest.MonkeyPatch, variable: str, count: int, expected: list[str]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", variable)
    assert visible_devices(count) == expected
