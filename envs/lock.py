"""Write requirements.lock and requirements-cuda.lock from pyproject.toml; run by `make lock`.

Versions that are locked already stay; pass `--upgrade`, or `--upgrade-package NAME`, to renew them.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tempfile
from pathlib import Path

LOCK, CUDA = Path("requirements.lock"), Path("requirements-cuda.lock")
CUDA_PACKAGES = ("nvidia-", "cuda-", "triton")
HEADERS = {
    LOCK: """\
# Exact versions, with the hashes of their files for every platform, of what the workflow, its tests
# and its linters need. Remade from pyproject.toml by `make lock`; do not edit by hand.
# torch's CUDA libraries stand in requirements-cuda.lock: its CPU builds work without them.
""",
    CUDA: """\
# What torch's builds with CUDA need on Linux besides requirements.lock. Remade by `make lock`.
""",
}


def resolve(arguments: list[str], folder: Path) -> list[str]:
    """One entry per package, `name==version` with markers and hashes, for every platform."""
    both = folder / "both.lock"
    both.write_text("".join(p.read_text(encoding="utf-8") for p in (LOCK, CUDA) if p.exists()))
    options = "--extra dev --universal --python-version 3.11 --generate-hashes --no-header"
    command = ["uv", "pip", "compile", "pyproject.toml", *options.split(), "--no-annotate"]
    subprocess.run([*command, "--quiet", "-o", str(both), *arguments], check=True)
    return re.findall(r"^\S+==(?:.*\\\n)*.*\n", both.read_text(encoding="utf-8"), re.MULTILINE)


def with_local_build(entry: str, folder: Path) -> str:
    """The entry with the hash of the file that pip takes on this machine.

    A build with a local version, such as torch's +cpu, is not on the index that uv asks, but pip
    prefers it to the index's own file.
    """
    requirement = entry.split()[0]
    fetch = [sys.executable, "-m", "pip", "download", "--no-deps", "-qd", str(folder), requirement]
    subprocess.run(fetch, check=True)
    (wheel,) = folder.glob(f"{requirement.split('==')[0]}-*.whl")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if digest in entry:
        return entry
    return f"{entry.rstrip()} \\\n    --hash=sha256:{digest}\n"


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        entries = resolve(sys.argv[1:], folder)
        cuda = [entry for entry in entries if entry.startswith(CUDA_PACKAGES)]
        rest = [entry for entry in entries if entry not in cuda]
        rest = [with_local_build(e, folder) if e.startswith("torch==") else e for e in rest]
    for path, part in ((LOCK, rest), (CUDA, cuda)):
        path.write_text(HEADERS[path] + "".join(part), encoding="utf-8")


if __name__ == "__main__":
    main()
