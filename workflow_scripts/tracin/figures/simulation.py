"""Test accuracy against the share of labels that an oracle inspected."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from tracin.figures.style import BLACK, BLUE, GREEN, GREY, ORANGE, VERMILION, styled
from tracin.review.simulation import EVERYTHING, NOTHING

COLOURS = {"suspects": VERMILION, "loss": BLUE, "cleanlab": GREEN, "random": GREY}


@styled
def simulation_figure(table: pd.DataFrame) -> Figure:
    """Draw the mean accuracy of each order over the seeds, its standard error as a band.

    `table` holds the rows that `tracin.review.simulation.simulate` yields.
    """
    figure = Figure(figsize=(6.2, 4.6), layout="constrained")
    axes = figure.subplots()
    start, seeds = table[table["order"] == NOTHING], table["seed"].nunique()
    for order in [o for o in table["order"].unique() if o not in (NOTHING, EVERYTHING)]:
        rows = pd.concat([start, table[table["order"] == order]])
        points = rows.groupby("share")["accuracy"].agg(["mean", "sem"]).fillna(0.0)
        colour = COLOURS.get(order, ORANGE)
        axes.plot(points.index, points["mean"], "o-", color=colour, markersize=4, label=order)
        low, high = points["mean"] - points["sem"], points["mean"] + points["sem"]
        axes.fill_between(points.index, low, high, color=colour, alpha=0.15, linewidth=0)
    clean = table.loc[table["order"] == EVERYTHING, "accuracy"].mean()
    axes.axhline(clean, color=BLACK, linestyle=":", label="true labels")
    axes.axhline(start["accuracy"].mean(), color=BLACK, linestyle="--", label="noisy labels")
    axes.set_title(f"Correcting what is inspected, mean of {seeds} seeds")
    axes.set(xlabel="training images inspected, most suspicious first", ylabel="test accuracy")
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=1))
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), title="order")
    return figure
