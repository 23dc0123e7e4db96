"""The look shared by every figure, and how figures are written."""

import textwrap
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

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

STYLE: Any = {
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
}

styled = mpl.rc_context(STYLE)


def save(figure: Figure, path: str | Path) -> None:
    """Write `figure` to `path` as PNG in one step, so no half file is left."""
    with mpl.rc_context(STYLE), atomic_path(Path(path)) as temporary:
        figure.savefig(temporary, dpi=DPI, format="png", facecolor="white")


def short(text: object, length: int = 18) -> str:
    """Return `text` in at most `length` characters, ending in an ellipsis if cut."""
    full = str(text)
    return full if len(full) <= length else full[: length - 1].rstrip() + "…"


def wrapped(text: str, inches: float, points: float = 9) -> str:
    """Break `text` into lines that fit a width of `inches` at size `points`."""
    return textwrap.fill(text, max(12, int(inches * 72 / (0.54 * points))))


@styled
def sentence(text: str) -> Figure:
    """Return a figure that holds only `text`, for when there is nothing to draw."""
    figure = Figure(figsize=(6, 1.6))
    figure.text(0.5, 0.5, wrapped(text, 5.4, 11), ha="center", va="center", fontsize=11)
    return figure


def show_image(axes: Axes, image: Any, colour: str, width: float) -> None:
    """Draw `image`, uint8 [H, W, 3], without ticks in a frame of `colour`."""
    axes.imshow(image, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set(visible=True, edgecolor=colour, linewidth=width)


def place(figure: Figure, left: float, top: float, size: float) -> Axes:
    """Add square axes of `size` inches, `left` and `top` inches from the corner."""
    width, height = figure.get_size_inches()
    return figure.add_axes((left / width, 1 - (top + size) / height, size / width, size / height))


def write(figure: Figure, left: float, top: float, text: str, **options: Any) -> None:
    """Write `text` with its top `top` inches below the figure's upper edge."""
    width, height = figure.get_size_inches()
    figure.text(left / width, 1 - top / height, text, va="top", **options)
