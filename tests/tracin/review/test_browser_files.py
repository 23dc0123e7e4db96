"""The review page in a real browser: files saved, loaded and refused, hostile names."""

import csv
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import expect

from tests.tracin.review.browsing import SCHEMA, Opener, decisions, press, reload, saved, states
from tests.tracin.review.tables import CLASSES, PATHS, review_data
from tracin.files import unguard
from tracin.review.corrections import (
    COLUMNS,
    check_against,
    corrections_table,
    read_corrections,
    write_corrections,
)


def test_corrected_labels_start_from_their_decisions(opened: Opener, tmp_path: Path) -> None:
    page = opened(review_data())
    press(page, "Enter", "x")
    path = saved(page, tmp_path)
    made = read_corrections(path, SCHEMA)
    table = corrections_table(made, pd.Series([0, 1]))
    data = review_data(name="corrected", corrections=table)
    suspects = data.suspects.copy()
    suspects.loc[0, ["label", "suggested_label"]] = ["cow", "cat"]
    page = opened(replace(data, suspects=suspects))
    assert states(page)[:3] == ["kept", "removed", "undecided"]
    press(page, "k", "k", "Enter")
    assert decisions(saved(page, tmp_path)) == {
        "cat/0.png": ("keep", "cat"),
        "cat/1.png": ("remove", ""),
    }


def test_decisions_that_the_label_set_got_since_are_taken_over(
    opened: Opener, tmp_path: Path
) -> None:
    page = opened(review_data(suspects=30))
    press(page, *["x"] * 6)
    table = corrections_table(read_corrections(saved(page, tmp_path), SCHEMA), pd.Series(range(6)))
    page = opened(review_data(suspects=30, name="corrected", corrections=table.head(3)))
    press(page, "Space", "Home", "u", "Home", "Enter")  # the fourth is kept here, and undone
    assert states(page)[:4] == ["relabelled", "removed", "removed", "undecided"]
    press(page, "j", "j", "Space")
    # Of the file's six, the first three are as before, the fourth differs, two are new.
    page = opened(review_data(suspects=30, name="corrected", corrections=table))
    assert page.inner_text("#loaded-title") == "5 decisions loaded, 1 not"
    page.click("#keep-mine")
    assert states(page)[:7] == [
        "relabelled",
        "removed",
        "removed",
        "kept",
        "removed",
        "removed",
        "undecided",
    ]
    reload(page)
    assert not page.is_visible("#loaded")
    assert states(page)[3:6] == ["kept", "removed", "removed"]


def test_rows_taken_out_of_the_file_are_gone(opened: Opener, tmp_path: Path) -> None:
    page = opened(review_data())
    press(page, *["x"] * 4)
    table = corrections_table(read_corrections(saved(page, tmp_path), SCHEMA), pd.Series(range(4)))
    page = opened(review_data(name="corrected", corrections=table))
    press(page, "Home", "j", "Space")
    page = opened(review_data(name="corrected", corrections=table.tail(2)))
    assert states(page)[:5] == ["undecided", "kept", "removed", "removed", "undecided"]
    heads = page.locator("#loaded th").all_inner_texts()
    assert heads == ["Line", "Image", "Here", "In data/corrections.csv"]
    cells = page.locator("#loaded-rows td").all_inner_texts()
    assert cells == ["", "cat/1.png", "keep cow", "undecided"]
    page.click("#take-file")
    expect(page.locator("#row-1")).to_have_attribute("data-state", "undecided")
    assert set(decisions(saved(page, tmp_path))) == {"cat/2.png", "cat/3.png"}
    reload(page)
    assert not page.is_visible("#loaded")


def test_an_older_page_that_is_still_open_takes_nothing_away(
    opened: Opener, tmp_path: Path
) -> None:
    page = opened(review_data())
    press(page, *["x"] * 4)
    table = corrections_table(read_corrections(saved(page, tmp_path), SCHEMA), pd.Series(range(4)))
    older = opened(review_data(name="corrected", corrections=table.head(3)))
    newer = opened(review_data(name="corrected", corrections=table.tail(3)))
    for page in (older, newer):
        expect(page.locator("#row-3")).to_have_attribute("data-state", "removed")
        expect(page.locator("#row-0")).to_have_attribute("data-state", "undecided")
    press(older, "End", "x")
    expect(newer.locator("#row-19")).to_have_attribute("data-state", "removed")
    press(newer, "k", "Space")
    assert len(decisions(saved(newer, tmp_path))) == 5
    expect(older.locator("#row-3")).to_have_attribute("data-state", "removed")
    assert decisions(saved(older, tmp_path)) == decisions(saved(newer, tmp_path))


def test_loading_goes_on_and_lists_conflicts(opened: Opener, tmp_path: Path) -> None:
    page = opened(review_data())
    press(page, "Enter", "x", "Space")
    path = saved(page, tmp_path)
    press(page, "u", "u", "Space")
    page.set_input_files("#file", path)
    page.wait_for_selector("#loaded[open]")
    assert page.inner_text("#loaded-title") == "2 decisions loaded, 1 not"
    assert page.inner_text("#loaded th:last-child") == "In the file"
    cells = page.locator("#loaded-rows td").all_inner_texts()
    assert cells == ["3", "cat/1.png", "keep cow", "remove"]
    page.click("#keep-mine")
    assert states(page)[:3] == ["relabelled", "kept", "kept"]
    page.set_input_files("#file", path)
    page.click("#take-file")
    # A dialog tells of its closing in a task of its own, after the click has returned.
    expect(page.locator("#row-1")).to_have_attribute("data-state", "removed")
    assert states(page)[:3] == ["relabelled", "removed", "kept"]
    press(page, "u")  # all that the file changed, its word on the conflict included
    assert states(page)[:3] == ["relabelled", "kept", "kept"]
    expect(page.locator("#status")).to_have_text("Taken back: #2.")
    press(page, "u", "u")
    assert states(page)[:3] == ["relabelled", "undecided", "undecided"]


def test_copies_that_are_decided_differently_are_said(opened: Opener, tmp_path: Path) -> None:
    data = review_data(paths=["<b>a</b>.png", "b.png", "c.png"])
    contents = data.manifest["sha256"].to_list()
    contents[1:3] = [contents[0]] * 2
    page = opened(replace(data, manifest=data.manifest.assign(sha256=contents)))
    press(page, "1", "2", "x")
    saved(page, tmp_path)
    said = "Copies of one image end with different labels: #1 and #2. Decide alike, or remove one."
    assert page.inner_text("#status").endswith(said)
    press(page, "Home", "2")
    saved(page, tmp_path)
    assert "Copies" not in page.inner_text("#status")


def test_no_note_is_lost_without_a_word(opened: Opener, tmp_path: Path) -> None:
    page = opened(review_data())
    press(page, "Space", "Space", "Space", "n")
    page.keyboard.type("undecided")
    path = saved(page, tmp_path)
    said = "Notes on undecided images are not in the file: 1."
    assert said in page.inner_text("#status")
    press(page, "Escape", "Space")
    rows = read_corrections(path, SCHEMA)
    notes = ["theirs", "mine\nand theirs", "mine"]
    write_corrections(
        [replace(row, note=note) for row, note in zip(rows, notes, strict=True)], path
    )
    for note in ["", "mine", "mine\nof two lines"]:
        press(page, "Home" if not note else "j", "n")
        page.fill("#note", note)
        press(page, "Escape")
    for _ in range(2):
        page.set_input_files("#file", path)
        expect(page.locator("#status")).to_contain_text("3 decisions loaded")
        page.wait_for_timeout(100)
    merged = [row.note for row in read_corrections(saved(page, tmp_path), SCHEMA)]
    assert merged == ["theirs", "mine\nand theirs", "mine\nof two lines", "undecided"]
    assert "Notes on" not in page.inner_text("#status")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("a,b\n1,2\n", "it has no column path"),
        (",".join(COLUMNS) + '\n"open', "line 2: a quote is not closed"),
        ("", "it has no column path"),
    ],
)
def test_unreadable_files_change_nothing(
    opened: Opener, tmp_path: Path, content: str, problem: str
) -> None:
    page = opened(review_data())
    press(page, "Enter")
    (tmp_path / "bad.csv").write_text(content)
    page.set_input_files("#file", tmp_path / "bad.csv")
    expect(page.locator("#status")).to_contain_text("read")
    page.wait_for_timeout(4500)
    assert problem in page.inner_text("#status")
    assert states(page)[:2] == ["relabelled", "undecided"]


def test_rows_that_do_not_fit_are_listed(opened: Opener, tmp_path: Path) -> None:
    data = review_data()
    page = opened(replace(data, suspects=data.suspects.head(18)))
    press(page, "Enter", "Enter", "Enter", "Enter")
    path = saved(page, tmp_path)
    lines = path.read_text().splitlines()
    lines[4] = lines[4].replace("Z", "")
    # A training image that the page doesn't show, one with other bytes, a test image, none at all.
    content, label_of = (
        dict(zip(data.manifest["path"], data.manifest[column], strict=True))
        for column in ("sha256", "label")
    )
    for name, sha256 in [
        ("cat/18.png", content["cat/18.png"]),
        ("cat/19.png", "0" * 64),
        ("cat/21.png", content["cat/21.png"]),
        ("cat/99.png", "0" * 64),
    ]:
        label = label_of.get(name, "cat")
        lines.append(f'"{name}","{sha256}","keep","","{label}","",""')
    lines[1] = lines[1].replace('"cow"', '"lion"')
    lines[2] = lines[2].replace(lines[2].split(",")[1], '"' + "0" * 64 + '"')
    path.write_text("\n".join(lines))
    press(page, "u", "u", "u", "u")
    page.set_input_files("#file", path)
    page.wait_for_selector("#loaded[open]")
    faults = page.locator("#loaded-rows td:last-child").all_inner_texts()
    unknown = "no training image has this path, content and label"
    late = "decided_at is not a time with a time zone"
    assert faults == ["unknown class", "the image changed since", late, *[unknown] * 3]
    assert page.inner_text("#loaded-title") == "2 decisions loaded, 6 not"
    page.click("#keep-mine")
    assert set(decisions(saved(page, tmp_path))) == {"cat/2.png", "cat/18.png"}
    assert states(page)[:3] == ["undecided", "undecided", "relabelled"]


def test_names_from_right_to_left_keep_their_side(opened: Opener) -> None:
    page = opened(review_data(classes=["חתול", "פרה", "كلب"]))
    lefts = """selector => {
      const found = [], texts = document.createTreeWalker(document.querySelector(selector), 4);
      while (texts.nextNode()) {
        if (!texts.currentNode.data.trim()) continue;
        const range = document.createRange();
        range.selectNodeContents(texts.currentNode);
        found.push(range.getBoundingClientRect().left);
      }
      return found;
    }"""
    for selector in ("#row-0 .change", ".labels div:last-child dd", "#classes button", "#accept"):
        found = page.evaluate(lefts, selector)
        assert found == sorted(found), selector
    press(page, "1")
    found = page.evaluate(lefts, "#status")
    assert len(found) == 3 and found == sorted(found)


def test_hostile_names_are_text(opened: Opener, tmp_path: Path) -> None:
    data = review_data(classes=CLASSES, paths=PATHS)
    page = opened(data)
    for _ in PATHS:
        press(page, "n")
        page.keyboard.type('=1+1, "x"')
        press(page, "Shift+Enter")
        page.keyboard.type("-2</script>")
        press(page, "Escape", "Enter")
    assert page.evaluate("window.ran") is None
    path = saved(page, tmp_path)
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert not [cell for row in rows for cell in row if cell.startswith(tuple("=+-@\t\r\n"))]
    assert [unguard(row[0]) for row in rows[1:]] == PATHS
    read = read_corrections(path, SCHEMA)
    check_against(read, data.manifest, CLASSES, path)
    assert {row.note for row in read} == {'=1+1, "x"\n-2</script>'}
    page.evaluate("localStorage.clear()")
    reload(page)
    assert set(states(page)) == {"undecided"}
    page.set_input_files("#file", path)
    expect(page.locator("#status")).to_contain_text("loaded")
    assert states(page)[: len(PATHS)] == ["relabelled"] * len(PATHS)
    again = saved(page, tmp_path)
    assert read_corrections(again, SCHEMA) == read
