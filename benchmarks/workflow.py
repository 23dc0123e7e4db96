"""Running the workflow with other settings, in a folder of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
SUSPECTS = "results/original/label_errors/suspects.parquet"


def run_workflow(
    folder: Path,
    overlay: Mapping[str, Any],
    targets: Sequence[str],
    cores: str = "all",
    training_threads: int = 8,
) -> None:
    """Run the workflow below `folder` for some targets; what is there already is kept.

    Raises:
        CalledProcessError: a job failed; Snakemake has said which.
    """
    folder.mkdir(parents=True, exist_ok=True)
    changed = folder / "overlay.yaml"
    changed.write_text(yaml.safe_dump(dict(overlay)), encoding="utf-8")
    command: list[str | Path] = [sys.executable, "-m", "snakemake", "--cores", cores]
    command += ["--directory", folder, "--set-threads", f"train={training_threads}"]
    subprocess.run([*command, "--configfile", changed, "--", *targets], cwd=ROOT, check=True)
