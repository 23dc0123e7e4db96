"""The test split before and after the corrections."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from tracin.figures.style import BLUE, GREY, ORANGE, VERMILION, short, styled, wrapped
from tracin.review.comparison import Verdict
from tracin.units import share

MOST_CLASSES = 20
ALL_SEEDS = -1


@styled
def comparison_figure(table: pd.DataFrame, verdict: Verdict) -> Figure:
    """Draw accuracy by seed, accuracy by class, and predictions fixed and broken.

    `table` is that of `tracin.review.comparison.compare`: seed (-1: the mean of several), measure,
    class, images, before, after and difference.
    """
    accuracy = table[table["measure"] == "accuracy"]
    total, classes = accuracy[accuracy["class"] == ""], _by_class(accuracy)
    figure = Figure(figsize=(11, 2.6 + 0.24 * max(len(classes), 7)), layout="constrained")
    panels = figure.subplots(1, 3, width_ratios=(3, 5, 2.4))
    _seeds(panels[0], total[total["seed"] != ALL_SEEDS])
    _classes(panels[1], classes, len(accuracy["class"].unique()) - 1)
    _changes(panels[2], verdict)
    before, after = share(verdict.before, 3), share(verdict.after, 3)
    change = 100 * (verdict.after - verdict.before)
    numbers = f"accuracy {before} before, {after} after ({change:+.1f} points)"
    figure.suptitle(f"{wrapped(verdict.sentence, 10.5, 11)}\n{numbers}")
    return figure


def _by_class(accuracy: pd.DataFrame) -> pd.DataFrame:
    """The classes of the mean (or only) seed that changed most, in their own order."""
    seed = ALL_SEEDS if (accuracy["seed"] == ALL_SEEDS).any() else accuracy["seed"].iloc[0]
    rows = accuracy[(accuracy["class"] != "") & (accuracy["seed"] == seed)]
    order = rows["difference"].abs().sort_values(ascending=False, kind="stable").index
    return rows.loc[order[:MOST_CLASSES]].sort_index()


def _seeds(axes: Axes, rows: pd.DataFrame) -> None:
    for row in rows.to_dict("records"):
        axes.plot([0, 1], [row["before"], row["after"]], "o-", color=BLUE, alpha=0.7)
    axes.set_xticks([0, 1], ["before", "after"])
    axes.set_xlim(-0.25, 1.25)
    axes.margins(y=0.25)
    axes.set_ylim(top=min(axes.get_ylim()[1], 1.002))
    title = "Test accuracy" if len(rows) == 1 else f"Test accuracy of {len(rows)} seeds"
    axes.set(title=title, ylabel="share of images right")
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.yaxis.set_major_locator(MaxNLocator(6))


def _classes(axes: Axes, rows: pd.DataFrame, count: int) -> None:
    places = np.arange(len(rows))
    before, after = rows["before"].to_numpy(), rows["after"].to_numpy()
    axes.hlines(places, before, after, color=GREY, linewidth=1.4, zorder=1)
    axes.scatter(before, places, color=ORANGE, marker="s", s=26, label="before", zorder=2)
    axes.scatter(after, places, color=BLUE, s=26, label="after", zorder=3)
    names = [
        f"{short(name, 22)} ({images})"
        for name, images in zip(rows["class"], rows["images"], strict=True)
    ]
    axes.set_yticks(places, names)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    which = f", the {MOST_CLASSES} that changed most" if count > MOST_CLASSES else ""
    axes.set(title=f"By class and its test images{which}", xlabel="share of images right")
    axes.figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2)


def _changes(axes: Axes, verdict: Verdict) -> None:
    counts = [verdict.fixed, verdict.broken]
    bars = axes.bar(["fixed", "broken"], counts, color=[BLUE, VERMILION], width=0.6)
    axes.bar_label(bars, padding=2)
    axes.set(title="Mispredictions", ylabel="test predictions, all seeds")
    axes.set_ylim(0, max(1, *counts) * 1.15)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    if len(verdict.p_values) == 1:
        axes.set_xlabel(f"McNemar's exact test:\np = {verdict.p_values[0]:.2g}")
