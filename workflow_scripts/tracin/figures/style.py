"""The look shared by every figure, and how figures are written."""

import textwrap
import unicodedata
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import get_font_names
from matplotlib.patches import Rectangle

from tracin.files import atomic_path

DPI = 150

# The Okabe-Ito palette, which stays distinct for colour-blind readers.
BLACK = "#000000"
ORANGE = "#E69F00"
SKY_BLUE = "#56B4E9"
GREEN = "#009E73"
BLUE = "#0072B2"
VERMILION = "#D55E00"
GREY = "#767676"

# Names in scripts that matplotlib's own font lacks, where the machine has a font for them.
OTHER_SCRIPTS = ("Noto Sans CJK JP", "Noto Sans CJK SC", "WenQuanYi Zen Hei", "Noto Sans Arabic")
FONTS = ["DejaVu Sans", *sorted(set(OTHER_SCRIPTS) & set(get_font_names()))]

STYLE: Any = {
    "font.family": FONTS,
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.labelsize": 9,
    "figure.titlesize": 11,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#E3E3E3",
    "axes.axisbelow": True,
    "lines.linewidth": 1.6,
    "figure.dpi": DPI,
    "text.parse_math": False,
    "svg.hashsalt": "tracin",
}

styled = mpl.rc_context(STYLE)


def save(figure: Figure, *paths: str | Path) -> None:
    """Write `figure` to each path, PNG or SVG by its suffix, in one step: no half file is left."""
    for path in map(Path, paths):
        form = path.suffix.removeprefix(".")
        # Without a date the same figure is the same file.
        metadata = {"Date": None} if form == "svg" else None
        with mpl.rc_context(STYLE), atomic_path(path) as temporary:
            figure.savefig(temporary, dpi=DPI, format=form, facecolor="white", metadata=metadata)


def short(text: object, length: int = 18) -> str:
    """Return `text` on one line in at most `length` letters' width, cut in the middle if need be.

    Names of classes often begin alike, or end alike. Control characters, which no font draws and
    SVG forbids, become a visible mark.
    """
    marked = "".join("\ufffd" if unicodedata.category(c) in ("Cc", "Cs") else c for c in str(text))
    # The letters of East Asian scripts are twice as wide.
    widths = [2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in marked]
    if sum(widths) <= length:
        return marked
    first, last = length // 2, (length - 1) // 2
    before = int(np.searchsorted(np.cumsum(widths), first, side="right"))
    after = int(np.searchsorted(np.cumsum(widths[::-1]), last, side="right"))
    return f"{marked[:before].rstrip()}…{marked[len(marked) - after :].lstrip()}"


def tail(text: object, length: int) -> str:
    """Return the last `length` characters of a path: the file's name says more than its folder."""
    full = short(text, 2 * len(str(text)))
    return full if len(full) <= length else "…" + full[1 - length :]


def wrapped(text: str, inches: float, points: float = 9) -> str:
    """Break `text` into lines that fit a width of `inches` at size `points`."""
    return textwrap.fill(text, characters(inches, points))


def characters(inches: float, points: float) -> int:
    """How many characters of size `points` fit a line of `inches`."""
    return max(12, int(inches * 72 / (0.54 * points)))


def of_all(shown: int, classes: int) -> str:
    """Which classes a figure shows, where `tracin.crossref.most_confused` left some out."""
    return "" if shown == classes else f"the {shown} of {classes} classes with the most mistakes"


@styled
def sentence(text: str) -> Figure:
    """Return a figure that holds only `text`, for when there is nothing to draw."""
    figure = Figure(figsize=(6, 1.6))
    figure.text(0.5, 0.5, wrapped(text, 5.4, 11), ha="center", va="center", fontsize=11)
    return figure


def say(axes: Axes, text: str, inches: float = 3.2) -> None:
    """Write `text` where an axis would be empty."""
    axes.set_axis_off()
    axes.text(
        0.5,
        0.5,
        wrapped(text, inches),
        ha="center",
        va="center",
        transform=axes.transAxes,
        color=GREY,
    )


def show_image(axes: Axes, image: Any, colour: str, width: float) -> None:
    """Draw `image`, uint8 [H, W, 3], without ticks in a frame of `colour`."""
    axes.imshow(np.asarray(image), interpolation="nearest")
    axes.set_axis_off()
    frame = Rectangle((0, 0), 1, 1, transform=axes.transAxes, fill=False, clip_on=False)
    frame.set(edgecolor=colour, linewidth=width)
    axes.add_patch(frame)


def place(figure: Figure, left: float, top: float, size: float) -> Axes:
    """Add square axes of `size` inches, `left` and `top` inches from the corner."""
    width, height = figure.get_size_inches()
    return figure.add_axes((left / width, 1 - (top + size) / height, size / width, size / height))


def write(figure: Figure, left: float, top: float, text: str, **options: Any) -> None:
    """Write `text` with its top `top` inches below the figure's upper edge."""
    width, height = figure.get_size_inches()
    figure.text(left / width, 1 - top / height, text, va="top", **options)
