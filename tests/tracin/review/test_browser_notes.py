"""The review page in a real browser: notes, what a browser remembers, and the way back."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from playwright.sync_api import expect

from tests.tracin.review.browsing import SCHEMA, Opener, press, reload, saved, states
from tests.tracin.review.tables import review_data
from tracin.review.corrections import (
    Correction,
    corrections_table,
    read_corrections,
    write_corrections,
)


def rows_of(page: Any, folder: Path) -> list[Correction]:
    return read_corrections(saved(page, folder), SCHEMA)


def noted(rows: list[Correction], *notes: str) -> list[Correction]:
    return [replace(row, note=note) for row, note in zip(rows, notes, strict=True)]


def write_note(page: Any, text: str) -> None:
    press(page, "n")
    page.fill("#note", text)
    press(page, "Escape")


def test_back_brings_no_other_images_note(opened: Opener) -> None:
    page = opened(review_data())
    press(page, "j", "j")
    write_note(page, "of the third")
    page.select_option("#by-state", "undecided")
    address = page.url
    page.goto("about:blank")
    page.go_back()
    page.wait_for_selector("body[data-ready]")
    page.wait_for_timeout(500)
    assert page.url == address
    assert page.input_value("#note") == "" and page.input_value("#by-state") == ""
    press(page, "j", "j")
    assert page.input_value("#note") == "of the third"


def test_notes_that_the_label_set_got_since_are_taken_over(opened: Opener, tmp_path: Path) -> None:
    page = opened(review_data())
    press(page, *["x"] * 4)
    made = rows_of(page, tmp_path)

    def corrected(*notes: str) -> Any:
        table = corrections_table(noted(made, *notes), pd.Series(range(4)))
        return opened(review_data(name="corrected", corrections=table))

    page = corrected("", "old", "old", "old")
    press(page, "Home", "j", "j", "j")
    write_note(page, "old\nmine")
    page = corrected("new", "newer", "", "theirs")
    assert not page.is_visible("#loaded")
    assert [row.note for row in rows_of(page, tmp_path)] == [
        "new",
        "newer",
        "",
        "old\nmine\ntheirs",
    ]


def test_an_older_copy_of_the_browser_is_still_read(opened: Opener, tmp_path: Path) -> None:
    page = opened(review_data())
    press(page, "x", "Space")
    made = rows_of(page, tmp_path)
    tables = [
        corrections_table(noted(made, *notes), pd.Series(range(2)))
        for notes in (("", "kept"), ("theirs", "kept"))
    ]
    page = opened(review_data(name="corrected", corrections=tables[0]))
    # Outcomes alone were remembered once.
    page.evaluate(
        """() => {
        const saved = JSON.parse(localStorage.getItem(data.key));
        saved.known = saved.known.map(([path, { outcome }]) => [path, outcome]);
        localStorage.setItem(data.key, JSON.stringify(saved));
        }"""
    )
    page.wait_for_timeout(1500)
    page = opened(review_data(name="corrected", corrections=tables[1]))
    assert not page.is_visible("#loaded")
    assert states(page)[:3] == ["removed", "kept", "undecided"]
    assert [row.note for row in rows_of(page, tmp_path)] == ["theirs", "kept"]


def test_undoing_a_load_leaves_what_was_written_since(opened: Opener, tmp_path: Path) -> None:
    page = opened(review_data())
    press(page, "x", "Space", "Enter")
    path = saved(page, tmp_path)
    write_corrections(noted(read_corrections(path, SCHEMA), "theirs", "theirs", ""), path)
    press(page, "u", "u", "u")
    write_note(page, "mine")
    page.set_input_files("#file", path)
    expect(page.locator("#status")).to_have_text("3 decisions loaded.")
    press(page, "j")
    write_note(page, "theirs, seen twice")
    press(page, "u")
    expect(page.locator("#status")).to_have_text("Taken back: 3 decisions of a file.")
    assert states(page)[:3] == ["undecided"] * 3
    assert page.evaluate("[...decisions.notes.values()]") == ["mine", "theirs, seen twice"]


def test_loading_what_is_here_is_nothing_to_undo(opened: Opener, tmp_path: Path) -> None:
    page = opened(review_data())
    press(page, "x", "Space", "Enter")
    path = saved(page, tmp_path)
    for _ in range(2):
        page.set_input_files("#file", path)
        said = "3 decisions loaded, 3 of them as here already."
        expect(page.locator("#status")).to_have_text(said)
    assert page.evaluate("decisions.history.length") == 3
    press(page, "u")
    page.set_input_files("#file", path)
    expect(page.locator("#status")).to_contain_text("2 of them")
    press(page, "u")
    assert states(page)[:3] == ["removed", "kept", "undecided"]


def test_decisions_are_kept_where_the_way_back_finds_no_room(opened: Opener) -> None:
    page = opened(review_data())
    press(page, "x", "Space")
    page.evaluate(
        """() => {
        decisions.history.unshift([{ path: "p".repeat(6e6), before: null }]);
        }"""
    )
    press(page, "Enter")
    assert "does not remember" not in page.inner_text("#status")
    reload(page)
    assert states(page)[:4] == ["removed", "kept", "relabelled", "undecided"]
    assert json.loads(page.evaluate("localStorage.getItem(data.key)"))["history"] == []
