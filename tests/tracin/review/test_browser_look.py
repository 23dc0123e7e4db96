"""The review page in a real browser: contrast, a person's own colours, and what has the focus."""

from typing import Any

import pytest

from tests.tracin.review.browsing import PHONE, Opener, press
from tests.tracin.review.tables import review_data

# The contrast of two colours as WCAG 2 defines it.
CONTRAST = """([one, other]) => {
  const light = (text) => {
    const [r, g, b] = text.match(/[\\d.]+/g).map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const [dark, bright] = [light(one), light(other)].sort((a, b) => a - b);
  return (bright + 0.05) / (dark + 0.05);
}"""


def style(page: Any, selector: str, name: str) -> str:
    found: str = page.eval_on_selector(selector, "(e, name) => getComputedStyle(e)[name]", name)
    return found


def contrast(page: Any, *colours: str) -> float:
    found: float = page.evaluate(CONTRAST, colours)
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_fields_and_keys_are_seen(opened: Opener, scheme: str) -> None:
    page = opened(review_data())
    page.emulate_media(color_scheme=scheme)
    for field in ("#by-label", "#by-path", "#class-name", "#note"):
        for ground in (field, "header", "body"):
            colours = style(page, field, "borderTopColor"), style(page, ground, "backgroundColor")
            assert contrast(page, *colours) >= 3, (field, ground)
    key, button = style(page, "#accept kbd", "color"), style(page, "#accept", "backgroundColor")
    assert style(page, "#accept kbd", "opacity") == "1" and contrast(page, key, button) >= 4.5


def test_a_persons_own_colours_leave_differences(opened: Opener) -> None:
    page = opened(review_data())
    page.emulate_media(forced_colors="active")
    press(page, "1", "k")
    for chosen, other, name in (
        ("#row-0", "#row-1", "outlineStyle"),
        ("[aria-pressed=true]", "[aria-pressed=false]", "outlineStyle"),
        (".figures .as-given img", ".figures .as-suggested img", "borderTopStyle"),
        (".figures .as-suggested img", ".figures figure:not([class]) img", "borderTopColor"),
    ):
        assert style(page, chosen, name) != style(page, other, name), chosen


@pytest.mark.parametrize("viewport", [{"width": 640, "height": 400}, PHONE])
def test_the_bar_hides_nothing_that_has_the_focus(opened: Opener, viewport: dict[str, int]) -> None:
    page = opened(review_data(), viewport)
    for _ in range(24):
        press(page, "Tab")
        page.wait_for_timeout(30)
        hidden = page.evaluate(
            """() => {
            const focused = document.activeElement, bar = document.querySelector(".actions");
            if (focused === document.body || bar.contains(focused)) return "";
            const top = bar.getBoundingClientRect().top;
            return focused.getBoundingClientRect().bottom > top + 2 ? focused.outerHTML : "";
            }"""
        )
        assert hidden == ""


def test_roles_say_what_parts_are(opened: Opener) -> None:
    page = opened(review_data())
    assert page.locator("[role=toolbar]").count() == 0
    terms = page.eval_on_selector_all("dl > div > *", "parts => parts.map(e => e.tagName)")
    assert terms == ["DT", "DD", "DT", "DD"]
    assert page.get_attribute("#shown", "aria-live") == "polite"
    assert page.get_attribute("#loaded .scroll", "tabindex") == "0"
