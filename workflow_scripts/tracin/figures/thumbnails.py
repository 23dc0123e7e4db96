"""Images with a few lines of text each, placed by inches so that no text can meet another."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from tracin.figures.style import place, short, show_image, styled, wrapped, write

EDGE = 0.2
LINE = 0.125
GAP = 0.16


@dataclass(frozen=True)
class Cell:
    """One image, uint8 [H, W, 3], the lines written above it, and the colour of its frame."""

    image: Any
    text: str
    colour: str
    frame: float = 2.0


@dataclass(frozen=True)
class Grid:
    """Inches and lines of a grid of cells."""

    columns: int
    cell: float
    image: float
    lines: int

    @property
    def row(self) -> float:
        """Height of a row."""
        return self.lines * LINE + self.image + GAP

    def height(self, cells: int) -> float:
        """Height of that many cells."""
        return math.ceil(cells / self.columns) * self.row


def draw_cells(figure: Figure, grid: Grid, cells: Sequence[Cell], left: float, top: float) -> None:
    """Draw cells row by row, the first `left` and `top` inches from the figure's corner."""
    for number, cell in enumerate(cells):
        row, column = divmod(number, grid.columns)
        thumbnail(
            figure,
            cell,
            left + column * grid.cell,
            top + row * grid.row + grid.lines * LINE,
            grid.image,
        )


def thumbnail(figure: Figure, cell: Cell, left: float, top: float, size: float) -> None:
    """Draw one image of `size` inches with its text above, ending at `top`."""
    width, height = figure.get_size_inches()
    figure.text(
        left / width,
        1 - (top - 0.04) / height,
        cell.text,
        va="bottom",
        fontsize=7.5,
        linespacing=1.1,
    )
    show_image(place(figure, left, top, size), cell.image, cell.colour, cell.frame)


def tests(row: Any) -> str:
    """On how many test images the influence of a row of `tracin.crossref.appearances` is."""
    return f"{row['appearances']:,} test{'s' if row['appearances'] != 1 else ''}"


def truly(label: object, true_label: object) -> str:
    """A line to follow a label: the true one, where it is known and another."""
    known = isinstance(true_label, str) and true_label not in ("", label)
    return f"\n(truly {short(true_label, 16)})" if known else ""


@styled
def gallery(title: str, caption: str, grid: Grid, cells: Sequence[Cell]) -> Figure:
    """Return a page of cells under a title and a caption."""
    columns = min(grid.columns, len(cells))
    fitted = Grid(columns, grid.cell, grid.image, grid.lines)
    width = max(columns * grid.cell + EDGE, 3.8)
    head = wrapped(title, width - 2 * EDGE, 11)
    foot = wrapped(caption, width - 2 * EDGE, 8) if caption else ""
    top = 0.2 + 0.2 * len(head.splitlines()) + 0.04
    below = top + fitted.height(len(cells))
    figure = Figure(figsize=(width, below + 0.15 * len(foot.splitlines()) + 0.1))
    write(figure, EDGE, 0.12, head, fontsize=11)
    draw_cells(figure, fitted, cells, EDGE, top)
    write(figure, EDGE, below, foot, fontsize=8)
    return figure
