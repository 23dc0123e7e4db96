"""Shares in words."""

import pytest

from tracin.units import whole_percent


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
