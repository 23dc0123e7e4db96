"""What ends a job is written to its log: a sentence for the user's errors, a traceback for bugs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tracin.errors import UserError
from tracin.runtime import start_log


def log_of(error: BaseException, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What a job that ends with `error` leaves in its log."""
    for name in ("stdout", "stderr", "excepthook"):
        monkeypatch.setattr(sys, name, getattr(sys, name))
    start_log(folder / "logs" / "job.log")
    try:
        raise error
    except BaseException:
        sys.excepthook(*sys.exc_info())
    with sys.stderr:
        return (folder / "logs" / "job.log").read_text(encoding="utf-8")


def test_a_users_error_is_its_message_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = log_of(UserError("the folder \udcff is empty. Fill it."), tmp_path, monkeypatch)
    assert text == "Error: the folder \\udcff is empty. Fill it.\n"


def test_a_bug_leaves_a_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = log_of(KeyError("x"), tmp_path, monkeypatch)
    assert text.startswith("Traceback") and "KeyError: 'x'" in text and "report it" in text
    text = log_of(OSError(5, "Input/output error"), tmp_path, monkeypatch)
    assert "Input/output error" in text and "report" not in text


ON_A_GPU = """
import sys, torch
torch.cuda.is_available = lambda: True
torch.cuda.device_count = lambda: 1
torch.cuda.set_device = lambda index: None
torch.cuda.get_device_name = lambda index: "none"
from tracin.runtime import pick_device
assert pick_device("auto", 1) == torch.device("cuda", 0)
assert torch.are_deterministic_algorithms_enabled()
assert torch.is_deterministic_algorithms_warn_only_enabled()
assert not torch.utils.deterministic.fill_uninitialized_memory
assert "torch._dynamo" not in sys.modules and "torch._inductor" not in sys.modules
"""


def test_a_gpu_repeats_itself_and_loads_no_compiler_for_it() -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", ON_A_GPU], check=True, env=environment)
