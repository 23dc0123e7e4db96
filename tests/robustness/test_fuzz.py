"""No damaged image crashes the reader, holds it up or fills the memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

SECONDS = 2.0
MEGABYTES = 1000  # an image may claim 89 million pixels, and the process alone takes about 150


@pytest.mark.parametrize(
    "count", [300, pytest.param(10_000, marks=[pytest.mark.slow])], ids=["some", "many"]
)
def test_damaged_images_are_read_or_rejected(count: int) -> None:
    command = [sys.executable, "-m", "tests.robustness.fuzz", "0", str(count)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, sys.path))}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    result = json.loads(done.stdout)
    print(result)
    assert result["read"] > 0 and result["rejected"] > count / 10
    assert result["slowest"] < SECONDS and result["peak_mb"] < MEGABYTES
