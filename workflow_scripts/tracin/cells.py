"""Reading CSV files row by row, with the line of each."""

from __future__ import annotations

import csv
import io
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


def read_text(path: Path | str) -> str:
    """The UTF-8 text of a file, with or without a byte-order mark, line ends as they are.

    Raises:
        UserError: The file is not UTF-8.
    """
    content = Path(path).read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"{path}, line {line} is not UTF-8 text: {error.reason}. Save the file as CSV in UTF-8."
        ) from error


def read_rows(text: str, path: Path | str, delimiter: str = ",") -> Iterator[tuple[int, list[str]]]:
    """Yield the line on which each row of a CSV text starts, and its cells; blank lines are none.

    Raises:
        UserError: The quotes are broken, or a cell is too long; `path` is named.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        for cells in reader:
            if cells:
                yield line, [unguard(cell) for cell in cells]
            line = reader.line_num + 1
    except csv.Error as error:
        raise UserError(f"{path}, line {line}: {error}. Check the quotes of this row.") from error


def read_guarded(path: Path | str, columns: list[str]) -> Iterator[Record]:
    """Yield the rows of a CSV file with exactly these columns, in any order.

    Raises:
        UserError: The file is not UTF-8, its header differs, or a row is too short or too long.
    """
    rows = read_rows(read_text(path), path)
    _, header = next(rows, (1, []))
    if sorted(header) != sorted(columns):
        raise UserError(
            f"{path}, line 1: the columns must be {', '.join(columns)}; "
            f"they are {', '.join(map(repr, header)) or 'missing'}."
        )
    for line, cells in rows:
        if len(cells) != len(header):
            raise UserError(
                f"{path}, line {line}: {len(cells)} cells instead of {len(header)}. Check the "
                "quotes and the commas of this row."
            )
        yield Record(line, dict(zip(header, cells, strict=True)))
