"""Shares in words."""

import pytest

from tracin.units import percent, whole_percent


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (0.0, "0%"),
        (1e-9, "<1%"),
        (0.00499, "<1%"),
        (0.007, "1%"),
        (0.5, "50%"),
        (0.994, "99%"),
        (0.9951, ">99%"),
        (1.0, "100%"),
    ],
)
def test_only_none_and_all_are_said_to_be(part: float, words: str) -> None:
    assert whole_percent(part) == words


@pytest.mark.parametrize(
    ("part", "words"),
    [(0.0, "0.0%"), (1e-9, "<0.1%"), (0.0005, "0.1%"), (0.99999, "99.9%"), (1.0, "100.0%")],
)
def test_tenths_of_a_percent_say_no_more(part: float, words: str) -> None:
    assert percent(part) == words
