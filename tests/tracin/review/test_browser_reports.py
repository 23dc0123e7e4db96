"""The summary and the timings in a real browser: what fits on a phone and on paper."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.conftest import ROOT
from tests.tracin.review.browsing import PHONE
from tests.tracin.test_summary import ERRORS, found
from tracin.summary import render_html
from tracin.timings import render_timings

PAPER = {"width": 718, "height": 1047}  # A4 less margins of a centimetre, in CSS pixels
NAMES = ["Pembroke Welsh corgi of the second kind", "x" * 90]


def template(name: str) -> str:
    return (ROOT / "report" / name).read_text(encoding="utf-8")


@pytest.fixture
def page(browser: Any) -> Any:
    context = browser.new_context()
    yield context.new_page()
    context.close()


def test_the_last_column_of_the_timings_is_printed(page: Any, tmp_path: Path) -> None:
    columns = ["seconds", "longest_seconds", "cpu_seconds", "peak_memory_mb"]
    row = {"rule": "tile_of_pairs", "jobs": 1024, "share": 0.97} | dict.fromkeys(columns, 9e5)
    path = tmp_path / "timings.html"
    html = render_timings(template("timings.html.jinja"), "original", pd.DataFrame([row]))
    path.write_text(html, encoding="utf-8")
    page.set_viewport_size(PAPER)
    page.emulate_media(media="print")
    page.goto(path.as_uri())
    right = page.eval_on_selector("td:last-child", "e => e.getBoundingClientRect().right")
    assert right <= PAPER["width"]


def test_names_on_a_phone_are_read(page: Any, tmp_path: Path) -> None:
    pairs = [{"label": one, "suggested_label": one, "count": 3} for one in NAMES]
    summary = found(errors=ERRORS | {"pairs": pairs})
    summary["confusions"] = [{"label": NAMES[1], "predicted": NAMES[1], "count": 1}]
    path = tmp_path / "summary.html"
    pixels = np.zeros((8, 30, 30, 3), dtype=np.uint8)
    path.write_text(render_html(template("summary.html.jinja"), summary, pixels), encoding="utf-8")
    page.set_viewport_size(PHONE)
    page.goto(path.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    widths = page.eval_on_selector_all("td.name", "all => all.map(e => e.clientWidth)")
    assert min(widths) > 100
