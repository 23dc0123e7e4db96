"""Names, cells, notes and metadata stay text: nothing runs, leaves the results or injects."""

from __future__ import annotations

import csv
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest

from tests.conftest import snakemake
from tests.robustness.hostile import CLASSES
from tests.robustness.runs import Session
from tracin.files import GUARDED
from tracin.review.corrections import Correction, write_corrections

NUMBER = re.compile(r"[+-]?(\d+\.?\d*(e[+-]?\d+)?|inf)", re.IGNORECASE)
WHEN = "2026-11-24T10:00:00Z"
NOTE = "=cmd|'/C touch pwned'!A0 <script>document.title='pwned'</script> $(touch pwned)\n-1"


class Page(HTMLParser):
    """Collects the elements of a page, the attributes that run scripts, and each script's text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.handlers: list[str] = []
        self.scripts: list[str] = []
        self.in_script = False
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        self.in_script = tag == "script"

    def handle_data(self, data: str) -> None:
        if self.in_script:
            self.scripts.append(data)
            self.in_script = False


def assert_harmless(path: Path) -> None:
    """The page holds no element, handler or script that stands in a name or note."""
    page = Page(path)
    assert not page.handlers and "b" not in page.tags
    assert not [text for text in page.scripts if text.lstrip().startswith("document.title")]


def test_nothing_ran_and_nothing_left_the_results(whole: Path) -> None:
    before = set(json.loads((whole / "..before").read_text()))
    now = {str(path) for path in whole.rglob("*") if "__pycache__" not in path.parts}
    places = ("results", ".snakemake", "..before", ".session.log")
    added = [Path(path).relative_to(whole) for path in now - before]
    assert {path.parts[0] for path in added} == set(places)
    assert not [p for p in whole.parent.rglob("pwned*") if p.parent.name != "per_class"]
    assert not [p for p in whole.rglob("*") if p.is_symlink()]


def test_all_names_are_in_the_manifest_as_they_were(whole: Path) -> None:
    given = pd.read_csv(whole / "data/raw/labels.csv", keep_default_na=False)
    manifest = pd.read_parquet(whole / "results/dataset/manifest.parquet")
    assert set(manifest["label"]) == set(CLASSES)
    rejected = set(given["path"]) - set(manifest["path"])
    assert [path for path in rejected if path.startswith("no image")] and len(rejected) < 20


def test_pages_hold_text_only(whole: Path, broken: Path) -> None:
    snakemake(broken, "--configfile", "overlay.yaml", "--report", "report.html")
    pages = [*(whole / "results").rglob("*.html"), broken / "report.html"]
    assert {path.name for path in pages} == {
        "index.html",
        "summary.html",
        "timings.html",
        "report.html",
    }
    for path in pages:
        assert_harmless(path)
    for path in (whole / "results").rglob("*.svg"):
        tree = ElementTree.parse(path)
        assert not [e for e in tree.iter() if e.tag.endswith(("script", "foreignObject"))]


def test_no_cell_is_a_formula(whole: Path) -> None:
    tables = list((whole / "results").rglob("*.csv"))
    assert len(tables) > 10
    for path in tables:
        with path.open(encoding="utf-8", newline="") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        starts = tuple(sign for sign in GUARDED if sign != "'")
        assert not [c for c in cells if c.startswith(starts) and not NUMBER.fullmatch(c)], path


def test_logs_hold_no_line_or_control_character_of_a_name(whole: Path) -> None:
    logs = [*(whole / "results/logs").rglob("*.log"), *(whole / ".snakemake/log").glob("*.log")]
    for path in [*logs, whole / ".session.log"]:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", text), path
        assert not re.search(r"^(lines\.png|=1\+1)", text, re.MULTILINE), path


def test_names_make_no_wildcards(whole: Path) -> None:
    output = snakemake(whole, "-n", "--configfile", "overlay.yaml")
    assert "Nothing to be done" in output


def corrections(folder: Path) -> None:
    """A decision about the first training images, with a note that means harm."""
    manifest = pd.read_parquet(folder / "results/dataset/manifest.parquet")
    rows = []
    for row in manifest[manifest["split"] == "train"].head(3).to_dict("records"):
        label = CLASSES[1] if row["label"] == CLASSES[0] else CLASSES[0]
        facts = (row["path"], row["sha256"], "relabel", label, row["label"], NOTE, WHEN)
        rows.append(Correction(0, *facts))
    write_corrections(rows, folder / "data/corrections.csv")


def test_notes_and_exports_are_text(broken: Path) -> None:
    corrections(broken)
    exported = "results/original/export/images"
    Session(broken, "results/labels/corrected.parquet", exported).finish()
    table = pd.read_parquet(broken / "results/labels/corrections.parquet")
    assert set(table["note"]) == {NOTE}
    links = [path for path in (broken / exported).rglob("*") if path.is_symlink()]
    assert len(links) == len(pd.read_parquet(broken / "results/dataset/manifest.parquet"))
    assert all(path.resolve().is_relative_to(broken / "data/raw") for path in links)
    assert not list(broken.parent.rglob("pwned"))


@pytest.mark.slow
def test_the_corrected_run_and_its_page(broken: Path) -> None:
    corrections(broken)
    Session(broken, "corrected").finish()
    for path in (broken / "results").rglob("*.html"):
        assert_harmless(path)
    assert not list(broken.parent.rglob("pwned"))
