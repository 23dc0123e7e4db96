"""The table of where time and memory went."""

from pathlib import Path

import pandas as pd

from tests.conftest import ROOT
from tracin.timings import render_timings, timing_table

HEAD = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"
TEMPLATE = ROOT / "report" / "timings.html.jinja"


def test_jobs_are_summed_by_rule_and_the_too_short_ones_counted(tmp_path: Path) -> None:
    rows = {"a": "10.04\t0\t500.4\t0\t0\t0\t0\t0\t0\t8", "b": "20\t0\t900\t0\t0\t0\t0\t0\t0\t9"}
    for name, row in (rows | {"short": "0.04\t0" + "\tNA" * 8, "dash": "1\t0" + "\t-" * 8}).items():
        (tmp_path / name).write_text(HEAD + row + "\n")
    tiles = [tmp_path / name for name in ("a", "b", "short")]
    found = timing_table({"merge": [tmp_path / "dash"], "tile": tiles, "train": []})
    expected = {
        "rule": ["tile", "merge"],
        "jobs": [3, 1],
        "seconds": [30.1, 1.0],
        "share": [0.9678, 0.0322],
        "longest_seconds": [20.0, 1.0],
        "cpu_seconds": [17.0, 0.0],
        "peak_memory_mb": [900.0, float("nan")],
    }
    pd.testing.assert_frame_equal(found, pd.DataFrame(expected))
    template = TEMPLATE.read_text(encoding="utf-8")
    page = render_timings(template, "original", found)
    assert "<td>30 s</td>" in page and "<td>943.7 MB</td>" in page and "nan" not in page
    assert "<td>97%</td>" in page
    short = render_timings(template, "original", found.assign(share=0.004))
    assert "<td>&lt;1%</td>" in short
