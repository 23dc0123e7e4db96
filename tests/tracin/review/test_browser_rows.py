"""The review page in a real browser: files and rows that `corrected` would refuse."""

from dataclasses import astuple
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.tracin.review.browsing import SCHEMA, Opener, press, saved, states
from tests.tracin.review.tables import review_data
from tracin.errors import UserError
from tracin.review.corrections import COLUMNS, Correction, read_corrections

Row = list[str]


def cells(row: Correction) -> Row:
    return [str(cell) for cell in astuple(row)[1 : 1 + len(COLUMNS)]]


def write(rows: list[Row], path: Path, encoding: str = "utf-8") -> Path:
    path.write_text("\n".join(",".join(row) for row in [COLUMNS, *rows]), encoding=encoding)
    return path


def faults(page: Any, path: Path) -> list[list[str]]:
    """Line and fault of each row that is not taken over; none of them is open to a choice."""
    page.set_input_files("#file", path)
    page.wait_for_selector("#loaded[open]")
    found = page.eval_on_selector_all(
        "#loaded-rows tr",
        "rows => rows.map(row => [row.cells[0].innerText, row.cells[3].innerText])",
    )
    assert not page.is_visible("#take-file")
    page.click("#keep-mine")
    return found


@pytest.fixture
def emptied(opened: Opener, tmp_path: Path) -> tuple[Any, list[Row]]:
    """A page with nothing decided, and rows that remove, keep and relabel its first images."""
    page = opened(review_data())
    press(page, "x", "Space", "Enter")
    rows = [cells(row) for row in read_corrections(saved(page, tmp_path), SCHEMA)]
    press(page, "u", "u", "u")
    return page, rows


def test_rows_that_contradict_themselves(emptied: tuple[Any, list[Row]], tmp_path: Path) -> None:
    page, (remove, keep, relabel) = emptied
    remove[3], keep[3], relabel[3] = "cow", "dog", relabel[4]
    path = write([remove, keep, relabel], tmp_path / "odd.csv")
    assert faults(page, path) == [
        ["2", "removes the image, but names a label"],
        ["3", "keeps the label, but names another one"],
        ["4", "relabels the image as what it is"],
    ]
    assert set(states(page)) == {"undecided"}
    for row in ([remove], [keep], [relabel]):
        with pytest.raises(UserError):
            read_corrections(write(row, path), SCHEMA)


def test_rows_too_short_or_too_long(emptied: tuple[Any, list[Row]], tmp_path: Path) -> None:
    page, (remove, keep, relabel) = emptied
    path = write([remove[:-1], [*keep, "more"], relabel], tmp_path / "odd.csv")
    assert faults(page, path) == [["2", "6 cells in place of 7"], ["3", "8 cells in place of 7"]]
    assert states(page)[:3] == ["undecided", "undecided", "relabelled"]


def test_rows_about_one_image(emptied: tuple[Any, list[Row]], tmp_path: Path) -> None:
    page, (remove, keep, relabel) = emptied
    other = [*keep[:2], "remove", "", *keep[4:]]
    path = write([remove, keep, relabel, other, remove], tmp_path / "odd.csv")
    assert faults(page, path) == [
        ["3", "contradicts line 5"],
        ["5", "contradicts line 3"],
        ["6", "repeats line 2"],
    ]
    assert states(page)[:3] == ["removed", "undecided", "relabelled"]


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_a_file_in_another_encoding_is_refused(
    emptied: tuple[Any, list[Row]], tmp_path: Path, encoding: str
) -> None:
    page, rows = emptied
    rows[0][5] = "schön"
    page.set_input_files("#file", write(rows, tmp_path / "odd.csv", encoding))
    words = "odd.csv can't be read: it is not UTF-8 text; save it as CSV in UTF-8."
    expect(page.locator("#status")).to_have_text(words)
    assert set(states(page)) == {"undecided"}


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        (";".join(COLUMNS), "its columns are separated by semicolons; save it with commas"),
        (";".join(f'"{name}"' for name in COLUMNS), "its columns are separated by semicolons"),
        (",".join([*COLUMNS, "by"]), "columns that don't belong there or stand twice: by"),
        (",".join([*COLUMNS, "path"]), "columns that don't belong there or stand twice: path"),
    ],
)
def test_headers_that_are_refused(
    opened: Opener, tmp_path: Path, header: str, problem: str
) -> None:
    page = opened(review_data())
    (tmp_path / "odd.csv").write_text(f"{header}\n", encoding="utf-8")
    page.set_input_files("#file", tmp_path / "odd.csv")
    expect(page.locator("#status")).to_contain_text(problem)
