"""The confusion matrix."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from tracin.crossref import most_confused
from tracin.figures.style import of_all, sentence, short, styled

MOST_CLASSES_WITH_COUNTS = 20
NAME_LENGTH = 26


@styled
def confusion_figure(matrix: np.ndarray, classes: list[str], most: int) -> Figure:
    """Draw counts [C, C], rows being given labels and columns predictions.

    Of more classes than `most` those with the most mistakes are shown.
    The colour is the share of the row, so classes of any size compare; the
    counts are written in the cells for up to 20 classes.
    """
    counts = np.asarray(matrix, dtype=float)
    if counts.sum() == 0:
        return sentence("No image was evaluated, so there is no confusion matrix.")
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0)
    shown = most_confused(counts, most)
    counts, shares = counts[np.ix_(shown, shown)], shares[np.ix_(shown, shown)]
    cell = float(np.clip(9 / len(shown), 0.24, 0.8))
    names = [short(classes[index], NAME_LENGTH) for index in shown]
    margin = max(map(_width, names))
    side = max(cell * len(shown), 1.8)
    left_out = of_all(len(shown), len(classes))
    above = 1.7 if left_out else 1.5  # title and axis label
    figure = Figure(
        figsize=(max(side + margin + 1.6, 4.6), side + margin + above),
        layout="compressed",  # which leaves room for names beside axes whose cells are square
    )
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="cividis", vmin=0, vmax=1)
    bar = figure.colorbar(image, ax=axes, shrink=0.8, pad=0.02)
    bar.set_label("share of the row")
    _name_axes(axes, names, upright=margin > side / len(names), size=8 if cell > 0.3 else 7)
    figure.suptitle(
        "Confusion matrix of the test images:\noff the diagonal are mistakes"
        + (f"\n({left_out})" if left_out else "")
    )
    if len(shown) <= MOST_CLASSES_WITH_COUNTS:
        _write_counts(axes, counts, shares)
    return figure


def _width(name: str) -> float:
    """Inches that a name takes in the largest size, and a little room."""
    width, _, _ = text_to_path.get_text_width_height_descent(name, FontProperties(size=8), False)
    return float(width) / 72 + 0.08


def _name_axes(axes: Axes, names: list[str], upright: bool, size: int) -> None:
    positions = range(len(names))
    axes.set_xticks(positions, names, rotation=90 if upright else 0, fontsize=size)
    axes.set_yticks(positions, names, fontsize=size)
    axes.set(xlabel="predicted", ylabel="given label")
    axes.grid(visible=False)
    axes.tick_params(length=2)


def _write_counts(axes: Axes, counts: np.ndarray, shares: np.ndarray) -> None:
    for (row, column), count in np.ndenumerate(counts):
        axes.text(
            column,
            row,
            f"{count:.0f}",
            ha="center",
            va="center",
            fontsize=8 if len(counts) <= 12 else 7,
            color="black" if shares[row, column] > 0.5 else "white",
        )
