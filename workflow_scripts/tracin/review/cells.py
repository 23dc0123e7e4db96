"""CSV files whose cells a spreadsheet can't take for formulas."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from tracin.files import atomic_path

# Cells that start like this are formulas for some spreadsheet; the apostrophe is there so that
# a cell which starts with one of its own is told apart from a guarded one.
GUARDED = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "'")


def guard(text: str) -> str:
    """The cell for a text: an apostrophe goes before what a spreadsheet might run."""
    return f"'{text}" if text.startswith(GUARDED) else text


def unguard(cell: str) -> str:
    """The text of a cell; `unguard(guard(text)) == text` for every text."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(GUARDED) else cell


@dataclass(frozen=True)
class Record:
    """One row of a CSV file by column, and the line of the file on which it starts."""

    line: int
    cells: dict[str, str]


def write_guarded(frame: pd.DataFrame, path: Path | str) -> None:
    """Write a frame [rows, columns] as UTF-8 CSV, its texts quoted and guarded, atomically."""
    guarded = frame.map(lambda value: guard(value) if isinstance(value, str) else value)
    with atomic_path(path) as temporary:
        guarded.to_csv(
            temporary,
            index=False,
            encoding="utf-8",
            quoting=csv.QUOTE_NONNUMERIC,
            lineterminator="\r\n",
        )


def read_guarded(path: Path | str, columns: list[str]) -> Iterator[Record]:
    """Yield the rows of a CSV file with exactly these columns, in any order; blank lines are none.

    Raises:
        ValueError: The file is not UTF-8, its header differs, or a row is too short or too long.
    """
    # utf-8-sig also reads files that a spreadsheet wrote with a byte-order mark.
    with open(path, encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        try:
            header = [unguard(cell) for cell in next(reader, [])]
            if sorted(header) != sorted(columns):
                raise ValueError(
                    f"{path}, line 1: the columns must be {', '.join(columns)}; "
                    f"they are {', '.join(map(repr, header)) or 'missing'}."
                )
            line = reader.line_num + 1
            for cells in reader:
                if cells and len(cells) != len(header):
                    raise ValueError(
                        f"{path}, line {line}: {len(cells)} cells instead of {len(header)}."
                    )
                if cells:
                    yield Record(line, dict(zip(header, map(unguard, cells), strict=True)))
                line = reader.line_num + 1
        except UnicodeDecodeError as error:
            raise ValueError(f"{path} is not UTF-8 text: {error.reason}.") from error
        except csv.Error as error:
            raise ValueError(f"{path}, line {reader.line_num}: {error}.") from error
