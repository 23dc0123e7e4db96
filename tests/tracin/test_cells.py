"""Cells that no spreadsheet runs, and that come back as they were."""

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tracin.review.tables import CLASSES, PATHS
from tracin.cells import read_guarded
from tracin.files import guard, unguard, write_csv

TEXTS = st.text(st.characters(exclude_categories=["Cs"])) | st.text("'=+-@ab\t\r\n\"", max_size=4)


@given(TEXTS)
def test_guarding_is_reversible_and_leaves_no_formula(text: str) -> None:
    assert unguard(guard(text)) == text
    assert not guard(text).startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


def test_handwritten_apostrophes_stay() -> None:
    assert unguard("'cat") == "'cat"
    assert unguard("'") == "'"


@settings(max_examples=50)
@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1))
def test_files_come_back(tmp_path_factory: pytest.TempPathFactory, rows: list) -> None:
    path = tmp_path_factory.mktemp("cells") / "f.csv"
    write_csv(pd.DataFrame(rows, columns=["a", "b"]), path)
    assert [tuple(r.cells.values()) for r in read_guarded(path, ["a", "b"])] == rows


def test_lines_are_counted_through_broken_cells(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_text('a,b\n"1\n2",x\n\n3,y\n', encoding="utf-8-sig")
    assert [record.line for record in read_guarded(path, ["b", "a"])] == [2, 5]


def test_numbers_are_not_guarded(tmp_path: Path) -> None:
    write_csv(pd.DataFrame({"n": [-1.5], "t": ["-1.5"]}), tmp_path / "f.csv")
    assert (tmp_path / "f.csv").read_text().splitlines()[1] == '-1.5,"\'-1.5"'


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"a,c\n1,2\n", "line 1: the columns must be a, b"),
        (b"", "they are missing"),
        (b"a,b\n1,2\n1,2,3\n", "line 3: 3 cells instead of 2"),
        (b'a,b\n1,"2\n', "line 2"),
        (b"a,b\n\xff,2\n", "not UTF-8"),
    ],
)
def test_broken_files_name_the_line(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "f.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=problem):
        list(read_guarded(path, ["a", "b"]))


def test_hostile_names_come_back(tmp_path: Path) -> None:
    texts = [*CLASSES, *PATHS]
    write_csv(pd.DataFrame({"a": texts}), tmp_path / "f.csv")
    assert [r.cells["a"] for r in read_guarded(tmp_path / "f.csv", ["a"])] == texts
