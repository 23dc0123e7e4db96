"""Side-by-side measurements; each module prints a table and writes results/benchmarks/NAME.json."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow_scripts"))
