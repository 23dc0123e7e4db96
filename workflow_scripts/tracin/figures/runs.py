"""The dashboard of what several runs agree on."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from tracin.figures.panels import NAME_LENGTH
from tracin.figures.style import BLUE, GREEN, GREY, VERMILION, say, short, styled
from tracin.units import share

EFFECTS = {"helpful": GREEN, "harmful": VERMILION, "mixed": GREY}
SHOWN = 12


@styled
def runs_dashboard(
    tables: Mapping[str, pd.DataFrame], accuracies: Mapping[int, float], min_runs: int, most: int
) -> Figure:
    """Draw the tables of `tracin.crossruns` and the test accuracy of each seed.

    Of more than `most` classes those with the highest error rate are shown.
    """
    classes = min(most, len(tables["class_error_rates"]))
    height = max(8.4, 0.19 * classes + 1.6)
    figure = Figure(figsize=(16, height), layout="constrained")
    seeds = ", ".join(map(str, accuracies))
    figure.suptitle(f"What {len(accuracies)} runs agree on (seeds {seeds})")
    places = figure.add_gridspec(2, 3, width_ratios=[1, 1, 1.05])
    _class_errors(figure.add_subplot(places[:, 0]), tables["class_error_rates"], most)
    _accuracy(figure.add_subplot(places[0, 1]), accuracies)
    _persistent(
        figure.add_subplot(places[1, 1]), tables["persistent_mispredictions"], accuracies, min_runs
    )
    _confusions(figure.add_subplot(places[0, 2]), tables["confusion_pairs"])
    _influential(figure.add_subplot(places[1, 2]), tables["consistent_influences"])
    return figure


def _class_errors(axes: Axes, rates: pd.DataFrame, most: int) -> None:
    which = f"the worst {most} of {len(rates)} classes" if len(rates) > most else "each class"
    axes.set_title(f"Error rate of {which} of test images:\nmean, and range over the runs")
    if rates.empty:
        say(axes, "There is no test image.")
        return
    rates = rates.head(most)
    _ranges(axes, rates, "error")
    axes.set_yticks(
        range(len(rates)), [short(name, NAME_LENGTH) for name in rates["label"]], fontsize=7.5
    )
    axes.set_ylim(len(rates) - 0.4, -0.6)
    axes.set(xlabel="share of the class mispredicted", ylabel="label")
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=None))


def _ranges(axes: Axes, table: pd.DataFrame, value: str) -> None:
    places = np.arange(len(table))
    axes.hlines(places, table[f"min_{value}"], table[f"max_{value}"], color=GREY, linewidth=2)
    axes.plot(table[f"mean_{value}"], places, "o", color=BLUE, markersize=5)
    axes.set_xlim(0, max(1.1 * table[f"max_{value}"].max(), 0.01))


def _accuracy(axes: Axes, accuracies: Mapping[int, float]) -> None:
    values = np.array(list(accuracies.values()))
    axes.set_title(f"Test accuracy of each run:\nmean {share(values.mean(), 3)}")
    axes.plot(range(len(values)), values, "o", color=BLUE, markersize=7)
    axes.axhline(values.mean(), color=GREY, linestyle="--", label="mean")
    axes.set_xticks(range(len(values)), [str(seed) for seed in accuracies])
    axes.set(xlabel="seed", ylabel="accuracy (share of test images right)")
    axes.margins(x=0.2, y=0.3)
    axes.legend(loc="upper right")


def _persistent(
    axes: Axes, table: pd.DataFrame, accuracies: Mapping[int, float], min_runs: int
) -> None:
    axes.set_title(f"Images that at least {min_runs} runs\nget wrong")
    if table.empty:
        say(axes, f"No image is wrong in {min_runs} of {len(accuracies)} runs.")
        return
    counts = np.arange(min_runs, len(accuracies) + 1)
    bottom = np.zeros(len(counts))
    for split, colour, hatch in (
        ("train", BLUE, ""),
        ("val", GREY, ".."),
        ("test", VERMILION, "//"),
    ):
        own = table.loc[table["split"] == split, "runs_wrong"].value_counts()
        heights = np.array([own.get(count, 0) for count in counts])
        axes.bar(
            counts,
            heights,
            bottom=bottom,
            color=colour,
            hatch=hatch,
            edgecolor="white",
            linewidth=0,
            width=0.6,
            label=f"{split}: {heights.sum()}",
        )
        bottom += heights
    axes.set_xticks(counts)
    axes.set(xlabel=f"wrong in this many of {len(accuracies)} runs", ylabel="images")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.margins(x=0.3, y=0.3)
    axes.legend(loc="upper right")


def _confusions(axes: Axes, pairs: pd.DataFrame) -> None:
    axes.set_title("Most frequent confusions of test images:\nmean, and range over the runs")
    if pairs.empty:
        say(axes, "No test image is mispredicted in any run.")
        return
    top = pairs.head(SHOWN)
    _ranges(axes, top, "count")
    names = [
        f"{short(label, NAME_LENGTH)}\nas {short(predicted, NAME_LENGTH)}"
        for label, predicted in zip(top["label"], top["predicted"], strict=True)
    ]
    if max(map(len, names)) < NAME_LENGTH:
        names = [name.replace("\n", " ") for name in names]
    axes.set_yticks(range(len(top)), names, fontsize=6.5, linespacing=1.0)
    axes.set_ylim(len(top) - 0.4, -0.6)
    axes.set(xlabel="test images per run", ylabel="label, and what it is taken for")


def _influential(axes: Axes, table: pd.DataFrame) -> None:
    axes.set_title("Training images influential in most runs:\nhatched: harmful, dotted: mixed")
    if table.empty:
        say(axes, "No training image is among the strongest of enough runs.")
        return
    top = table.head(SHOWN)
    hatches = {"helpful": "", "harmful": "///", "mixed": ".."}
    bars = axes.barh(
        range(len(top)),
        top["mean_influence"],
        color=[EFFECTS[effect] for effect in top["effect"]],
        edgecolor="white",
        linewidth=0,
    )
    for bar, effect in zip(bars, top["effect"], strict=True):
        bar.set_hatch(hatches[effect])
    names = [
        f"{short(row['label'], NAME_LENGTH)} #{row['train_id']}\n"
        f"in {row['runs_influential']} of {row['runs']} runs"
        for row in top.to_dict("records")
    ]
    axes.set_yticks(range(len(top)), names, fontsize=6.5, linespacing=1.0)
    axes.invert_yaxis()
    axes.axvline(0, color=GREY, linewidth=1)
    axes.set(xlabel="mean influence: positive helps, negative harms", ylabel="label and id")
