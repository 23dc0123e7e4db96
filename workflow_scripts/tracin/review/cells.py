"""Reading CSV files row by row, with the line of each."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tracin.errors import UserError
from tracin.files import unguard


@dataclass(frozen=True)
class Record:
    """One row of a CSV file by column, and the line of the file on which it starts."""

    line: int
    cells: dict[str, str]


def read_guarded(path: Path | str, columns: list[str]) -> Iterator[Record]:
    """Yield the rows of a CSV file with exactly these columns, in any order; blank lines are none.

    Raises:
        UserError: The file is not UTF-8, its header differs, or a row is too short or too long.
    """
    # utf-8-sig also reads files that a spreadsheet wrote with a byte-order mark.
    with open(path, encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        try:
            header = [unguard(cell) for cell in next(reader, [])]
            if sorted(header) != sorted(columns):
                raise UserError(
                    f"{path}, line 1: the columns must be {', '.join(columns)}; "
                    f"they are {', '.join(map(repr, header)) or 'missing'}."
                )
            line = reader.line_num + 1
            for cells in reader:
                if cells and len(cells) != len(header):
                    raise UserError(
                        f"{path}, line {line}: {len(cells)} cells instead of {len(header)}."
                    )
                if cells:
                    yield Record(line, dict(zip(header, map(unguard, cells), strict=True)))
                line = reader.line_num + 1
        except UnicodeDecodeError as error:
            raise UserError(f"{path} is not UTF-8 text: {error.reason}.") from error
        except csv.Error as error:
            raise UserError(f"{path}, line {reader.line_num}: {error}.") from error
