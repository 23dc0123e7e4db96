"""The review page in a real browser: which key does what, and what it must not do."""

from pathlib import Path

import pytest

from tests.tracin.review.browsing import PHONE, Opener, decisions, press, rank, saved, states
from tests.tracin.review.tables import review_data


def test_the_last_decision_is_not_overwritten(opened: Opener) -> None:
    page = opened(review_data(suspects=4))
    press(page, *["Enter"] * 4)
    assert page.inner_text("#status").endswith("4 of 4 decided, 4 changed. End of the list.")
    press(page, "x", "Space")
    assert states(page) == ["relabelled"] * 4 and rank(page) == "Rank 4"
    assert page.inner_text("#status").startswith("End of the list.")
    page.click("#remove")
    assert states(page) == ["relabelled"] * 4
    press(page, "j", "x")
    assert states(page) == [*["relabelled"] * 3, "removed"]
    press(page, "u", "u", "Space")
    assert states(page) == [*["relabelled"] * 3, "kept"]
    page.click("[role=option] >> nth=3")
    press(page, "x")
    assert states(page) == [*["relabelled"] * 3, "removed"]


def test_at_the_end_of_what_a_filter_shows_nobody_else_is_decided(opened: Opener) -> None:
    page = opened(review_data(suspects=6))
    page.select_option("#by-state", "undecided")
    press(page, "Escape", "j", "End", "Enter", "Enter")
    assert states(page) == [*["undecided"] * 5, "relabelled"] and rank(page) == "Rank 5"
    assert page.inner_text("#status").startswith("End of the list.")
    press(page, "k", "Enter")
    assert states(page) == [*["undecided"] * 3, "relabelled", "undecided", "relabelled"]
    press(page, "u", "Home", *["x"] * 9)
    assert states(page) == [*["removed"] * 5, "relabelled"]
    assert page.is_visible("#nothing")


def test_classes_beside_digits_have_what_keys_are_left(opened: Opener, tmp_path: Path) -> None:
    page = opened(review_data(classes=["1", "cat", "dog"]))
    assert page.locator("#classes button").all_inner_texts() == ["1", "cat\n2", "dog\n3"]
    press(page, "3", "1")
    assert decisions(saved(page, tmp_path)) == {
        "cat/0.png": ("relabel", "dog"),
        "cat/1.png": ("relabel", "1"),
    }


def test_classes_without_a_key_have_a_button(opened: Opener, tmp_path: Path) -> None:
    page = opened(review_data(classes=[*"0123456789", *"ABCDEFGH"]))
    # The first image is a 0, a 1 is suggested: of ten others two are letters.
    assert page.locator("#classes button").all_inner_texts() == [*"0123456789", "A", "B"]
    page.click("#classes button >> text=B")
    press(page, "7")
    assert decisions(saved(page, tmp_path)) == {
        "cat/0.png": ("relabel", "B"),
        "cat/1.png": ("relabel", "7"),
    }


def test_a_held_space_decides_once_and_scrolls_nothing(opened: Opener) -> None:
    page = opened(review_data(suspects=100))
    for _ in range(5):
        page.keyboard.down(" ")
    page.keyboard.up(" ")
    assert states(page)[:2] == ["kept", "undecided"]
    assert page.evaluate("byId('list').scrollTop") == 0


def test_caps_lock_leaves_the_keys(opened: Opener) -> None:
    page = opened(review_data())
    press(page, "X", "J", "X", "U")
    assert states(page)[:4] == ["removed", "undecided", "undecided", "undecided"]


@pytest.mark.parametrize(
    ("viewport", "place"),
    [
        ({"width": 1280, "height": 500}, "byId('detail').scrollTop"),
        (PHONE, "document.scrollingElement.scrollTop"),
    ],
)
def test_pages_are_those_of_the_chosen_suspect(
    opened: Opener, viewport: dict[str, int], place: str
) -> None:
    page = opened(review_data(suspects=100), viewport)
    press(page, "PageDown")
    page.wait_for_timeout(300)
    assert page.evaluate(place) > 0
    assert page.evaluate("byId('list').scrollTop") == 0
    press(page, "PageUp")
    page.wait_for_timeout(300)
    assert page.evaluate(place) == 0


def test_after_filtering_the_keys_are_the_lists(opened: Opener) -> None:
    page = opened(review_data())
    page.dispatch_event("#by-label", "pointerdown")
    page.focus("#by-label")
    page.select_option("#by-label", label="cow")
    press(page, "x")
    assert states(page)[1] == "removed"
    page.click("#clear-filters")
    page.focus("#by-state")
    press(page, "ArrowDown")
    assert page.evaluate("document.activeElement.id") == "by-state"
    press(page, "Escape", "/")
    page.keyboard.type("/1")
    press(page, "Enter", "Space")
    assert states(page)[10] == "kept"
