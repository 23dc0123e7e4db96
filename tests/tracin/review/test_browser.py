"""The review page in a real browser, opened from disk: keys, filters, memory, reach."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.tracin.review.browsing import (
    PHONE,
    SCHEMA,
    Opener,
    decisions,
    press,
    rank,
    reload,
    saved,
    states,
)
from tests.tracin.review.tables import CLASSES, PATHS, review_data
from tracin.review.corrections import check_against, read_corrections


def test_keys_decide_and_the_file_says_so(opened: Opener, tmp_path: Path) -> None:
    page = opened(review_data())
    press(page, "Enter", "Space", "x", "3", "ArrowDown", "j", "k", "1", "u")
    assert states(page)[:7] == ["relabelled", "kept", "removed", "relabelled", *["undecided"] * 3]
    assert page.inner_text("#count") == "4 of 20 decided, 3 changed"
    assert rank(page) == "Rank 6"
    press(page, "c")
    page.keyboard.type("DO")
    press(page, "Enter")
    # The third class is what the sixth image has already: keeping it.
    path = saved(page, tmp_path)
    assert decisions(path) == {
        "cat/0.png": ("relabel", "cow"),
        "cat/1.png": ("keep", "cow"),
        "cat/2.png": ("remove", ""),
        "cat/3.png": ("relabel", "dog"),
        "cat/5.png": ("keep", "dog"),
    }
    data = review_data()
    check_against(read_corrections(path, SCHEMA), data.manifest, data.classes, path)


def test_arrows_and_k_stop_at_the_ends(opened: Opener) -> None:
    page = opened(review_data(suspects=4))
    press(page, "k", "ArrowUp")
    assert rank(page) == "Rank 1"
    press(page, *["ArrowRight"] * 9)
    assert rank(page) == "Rank 4"


def test_digit_classes_are_meant_by_their_own_key(opened: Opener, tmp_path: Path) -> None:
    page = opened(review_data(classes=["0", "1", "2"]))
    press(page, "2", "0")
    assert decisions(saved(page, tmp_path)) == {
        "cat/0.png": ("relabel", "2"),
        "cat/1.png": ("relabel", "0"),
    }


def test_of_many_classes_digits_mean_the_most_probable(opened: Opener, tmp_path: Path) -> None:
    classes = [f"class {i}" for i in range(40)]
    page = opened(review_data(classes=classes))
    assert page.inner_text("#classes button >> nth=0") == "class 2\n1"
    press(page, "1", "0")
    page.click("#classes button >> nth=1")
    assert decisions(saved(page, tmp_path)) == {
        "cat/0.png": ("relabel", "class 2"),
        "cat/1.png": ("relabel", "class 11"),
        "cat/2.png": ("relabel", "class 1"),
    }


def test_the_tenth_class_has_a_key(opened: Opener, tmp_path: Path) -> None:
    page = opened(review_data(classes=[f"class {i}" for i in range(10)]))
    press(page, "0")
    assert decisions(saved(page, tmp_path)) == {"cat/0.png": ("relabel", "class 9")}


def test_unknown_class_is_said_and_decides_nothing(opened: Opener) -> None:
    page = opened(review_data())
    press(page, "c")
    page.keyboard.type("c")
    press(page, "Enter")
    assert page.inner_text("#class-problem") == "No class has this name."
    assert page.get_attribute("#class-name", "aria-invalid") == "true"
    press(page, "Escape", "j")
    assert page.get_attribute("#class-name", "aria-invalid") is None
    press(page, "k", "c")
    press(page, "Escape", "Enter")
    assert states(page)[0] == "relabelled"


def test_filters_and_search(opened: Opener) -> None:
    page = opened(review_data())
    page.select_option("#by-label", label="cat")
    assert page.locator("[role=option]:visible").count() == 7
    page.select_option("#by-suggestion", label="dog")
    assert page.inner_text("#nothing") == "No suspect fits these filters."
    press(page, "Escape", "Enter", "x")
    page.click("#clear-filters")
    page.wait_for_selector("#nothing", state="hidden")
    assert set(states(page)) == {"undecided"}
    page.fill("#by-path", "T/1")
    assert page.locator("[role=option]:visible").count() == 11
    page.fill("#by-path", "")
    page.select_option("#by-state", "undecided")
    press(page, "Escape", "x", "x")
    assert page.locator("[role=option]:visible").count() == 18
    page.select_option("#by-state", "removed")
    assert page.locator("[role=option]:visible").count() == 2


def test_decisions_notes_and_undo_survive_a_reload(opened: Opener) -> None:
    page = opened(review_data())
    press(page, "Enter", "x", "k", "n")
    page.keyboard.type("looks odd")
    reload(page)
    assert states(page)[:3] == ["relabelled", "removed", "undecided"]
    press(page, "k")
    assert page.input_value("#note") == "looks odd"
    press(page, "u")
    assert states(page)[:2] == ["relabelled", "undecided"]


def test_other_data_starts_afresh(opened: Opener) -> None:
    press(opened(review_data()), "Enter")
    assert set(states(opened(review_data(name="corrected")))) == {"undecided"}
    assert set(states(opened(review_data(paths=["new.png"])))) == {"undecided"}


@pytest.mark.parametrize("viewport", [PHONE, {"width": 1280, "height": 800}])
def test_everything_fits_and_is_named(opened: Opener, viewport: dict[str, int]) -> None:
    data = review_data(classes=[*CLASSES, "w" * 90], paths=[*PATHS, "p" * 200])
    reasons = [f"the network prefers {name} (97% to 2%)" for name in data.suspects.suggested_label]
    page = opened(replace(data, suspects=data.suspects.assign(reasons=reasons)), viewport)
    fits = "[document.documentElement, byId('detail')].every(e => e.scrollWidth <= e.clientWidth)"
    for _ in range(12):
        press(page, "Enter", "k")
        assert page.evaluate(fits), page.inner_text("#suggestion")
        press(page, "j")
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll('button, input, select, textarea, summary')]
        .filter(e => e.checkVisibility())
        .filter(e => !(e.ariaLabel || e.labels?.length || e.textContent.trim()))
        .map(e => e.outerHTML)"""
    )
    assert unnamed == []
    for selector in ("#accept", "#keep", "#remove", "#save", "#undo"):
        box = page.locator(selector).bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= viewport["width"]


def test_touch_is_enough_on_a_phone(opened: Opener) -> None:
    page = opened(review_data(), PHONE)
    page.click("#accept")
    page.click("#remove")
    page.click("#next")
    page.click("#keep")
    page.click("#classes button >> nth=0")
    assert states(page)[:5] == ["relabelled", "removed", "undecided", "kept", "relabelled"]
    page.click("#undo")
    page.click("[role=option] >> nth=0")
    assert rank(page) == "Rank 1"


def test_moving_on_clears_a_message(opened: Opener, tmp_path: Path) -> None:
    page = opened(review_data(), PHONE)
    page.click("#accept")
    saved(page, tmp_path)
    assert "1 decision saved" in page.inner_text("#status")
    page.click("#next")
    assert page.inner_text("#status") == ""


def test_a_long_class_name_leaves_its_key_to_be_seen(opened: Opener) -> None:
    page = opened(review_data(classes=["cat", "w" * 90]))
    button, key = (
        page.locator(f"#classes button:last-child{inner}").bounding_box() for inner in ("", " kbd")
    )
    assert key["x"] + key["width"] < button["x"] + button["width"]


def test_space_after_a_click_is_a_decision(opened: Opener) -> None:
    page = opened(review_data())
    page.click("#remove")
    press(page, "Space")
    assert states(page)[:2] == ["removed", "kept"]


def test_keyboard_alone_reaches_every_control(opened: Opener) -> None:
    page = opened(review_data())
    reached = set()
    for _ in range(40):
        reached.add(page.evaluate("document.activeElement.id"))
        press(page, "Tab")
    wanted = "list accept keep remove previous next class-name note by-label by-state by-path"
    assert set(wanted.split()) | {"load", "theme", "keys", "clear-filters"} <= reached
    page.focus("#remove")
    press(page, "Enter")
    assert states(page)[0] == "removed"
    press(page, "?")
    assert page.is_visible("#help") and "accept the suggestion" in page.inner_text("#help")
    press(page, "x", "Escape")
    assert not page.is_visible("#help") and states(page)[1] == "undecided"


def test_the_chosen_row_is_announced(opened: Opener) -> None:
    page = opened(review_data())
    press(page, "Enter")
    assert page.get_attribute("#list", "aria-activedescendant") == "row-1"
    assert page.get_attribute("#row-1", "aria-selected") == "true"
    assert page.get_attribute("#row-0", "aria-label").startswith(
        "1: label cat, suggestion cow, relabelled as cow"
    )
    assert page.inner_text("#status").startswith("#1: relabel as cow. 1 of 20 decided, 1 changed.")


def test_what_the_last_decisions_down_the_list_changed_is_counted(opened: Opener) -> None:
    page = opened(review_data(suspects=30))
    assert page.inner_text("#count") == "0 of 30 decided"
    press(page, *["Enter"] * 6, *["Space"] * 13)
    assert page.inner_text("#count") == "19 of 30 decided, 6 changed"
    press(page, "x", *["Space"] * 4)
    assert page.inner_text("#count") == "24 of 30 decided, 7 changed (of the last 20: 3)"
    press(page, "Home", "Space")  # the order of the list counts, not that of deciding
    assert page.inner_text("#count") == "24 of 30 decided, 6 changed (of the last 20: 3)"


def test_what_an_earlier_review_changed_says_nothing_about_going_on(opened: Opener) -> None:
    data = review_data(suspects=30)
    page = opened(replace(data, suspects=data.suspects.assign(reviewed=data.suspects["rank"] > 21)))
    press(page, *["x"] * 3, *["Space"] * 16)
    press(page, *["j"] * 2, *["Enter"] * 9)
    assert page.inner_text("#count") == "28 of 30 decided, 12 changed"
    press(page, *["k"] * 9, "Space")
    assert page.inner_text("#count") == "29 of 30 decided, 12 changed (of the last 20: 3)"


@pytest.mark.parametrize(
    ("cut", "words"),
    [
        (0, "None of the 20 labels is estimated to be wrong."),
        (20, "reviewing the first 20 is worth it."),
        (1, "About 1 of 20 labels is estimated to be wrong; reviewing the first is worth it."),
        (21, "Set review.top_n to see more of them here."),
    ],
)
def test_the_estimate_says_how_far_to_look(opened: Opener, cut: int, words: str) -> None:
    estimate = {"images": 20, "estimated_errors": cut, "suggested_cut": cut}
    page = opened(review_data(estimate=estimate))
    assert page.inner_text("#estimate").endswith(words)


@pytest.mark.parametrize(
    ("share", "words"),
    [(0.9999, "99.9%"), (0.9951, "99.5%"), (0.99, "99.0%"), (0.5, "50%"), (0, "0%"), (1, "100%")],
)
def test_only_all_is_a_hundred_percent(opened: Opener, share: float, words: str) -> None:
    assert opened(review_data(suspects=3)).evaluate(f"percent({share})") == words


def test_dark_and_light(opened: Opener) -> None:
    page = opened(review_data())
    colour = "getComputedStyle(document.body).backgroundColor"
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(colour)
    page.emulate_media(color_scheme="light")
    assert page.evaluate(colour) != dark
    page.click("#theme")
    page.click("#theme")
    assert page.evaluate(colour) == dark
    reload(page)
    assert page.evaluate(colour) == dark


def test_two_thousand_suspects_fit_and_answer(opened: Opener, tmp_path: Path) -> None:
    """How fast they do is measured by `python -m benchmarks.review_page`."""
    estimate = {"images": 20000, "estimated_errors": 3000, "suggested_cut": 3000}
    page = opened(review_data(suspects=2000, side=224, estimate=estimate))
    said = page.inner_text("#estimate")
    assert "2,000 most suspicious" in said and "About 3,000 of 20,000 labels" in said
    assert "the first 3,000" in said and "A page shows no more: correct these" in said
    assert page.inner_text("#count").startswith("0 of 2,000 decided")
    assert (tmp_path / "index.html").stat().st_size < 60_000_000
    assert page.locator("[role=option]").count() == 2000
    press(page, *["Enter"] * 3)
    assert states(page)[:4] == ["relabelled"] * 3 + ["undecided"]
