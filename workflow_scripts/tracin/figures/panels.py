"""Panels that the dashboards share; each fills one axes, or says that there is nothing to draw."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import SymLogNorm
from matplotlib.ticker import (
    FuncFormatter,
    LogLocator,
    MaxNLocator,
    NullFormatter,
    PercentFormatter,
    SymmetricalLogLocator,
)

from tracin.crossref import signed
from tracin.figures.style import BLUE, GREEN, GREY, VERMILION, of_all, say, short
from tracin.units import whole_percent

NAME_LENGTH = 26
MOST_DECADES = 5
BINS = 60
UNLISTED = "#CCCCCC"
# Powers of ten as people read them: 0.01, 10, -100.
PLAIN = FuncFormatter(lambda value, _: f"{value:g}")
COUNTS = FuncFormatter(lambda value, _: f"{value:,.12g}")
NO_INFLUENCE = "No influence of either sign is listed."
KINDS = (("proponent", 1, GREEN, "o"), ("opponent", -1, VERMILION, "s"))


def distribution(axes: Axes, topk: pd.DataFrame) -> None:
    """Histogram of the listed influences on a symmetric log axis."""
    values = signed(topk)["influence"].to_numpy(np.float64)
    axes.set_title("Size of the listed influences\n(the k strongest of each kind)")
    if not len(values):
        say(axes, NO_INFLUENCE)
        return
    largest = float(np.abs(values).max())
    # The linear part around zero holds the weakest hundredth of the pairs.
    weak = max(float(np.quantile(np.abs(values), 0.01)), largest / 10**MOST_DECADES)
    threshold = min(10 ** np.floor(np.log10(weak)), largest / 10)
    edges = np.geomspace(threshold, largest, BINS // 2)
    for name, sign, colour, _ in KINDS:
        sizes = np.clip(values[values * sign > 0] * sign, threshold, largest)
        counts, _ = np.histogram(sizes, edges)
        shown = edges if sign > 0 else -edges[::-1]
        heights = counts if sign > 0 else counts[::-1]
        axes.stairs(heights, shown, fill=True, color=colour, label=f"{name}s")
    axes.set_xscale("symlog", linthresh=threshold)
    axes.xaxis.set_major_locator(SymmetricalLogLocator(base=10, linthresh=threshold, subs=[1.0]))
    axes.xaxis.set_major_formatter(PLAIN)
    axes.tick_params(axis="x", labelrotation=90 if largest / threshold > 1000 else 0)
    axes.set(xlabel="influence (symmetric log)", ylabel="pairs of images")
    axes.yaxis.set_major_formatter(COUNTS)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.0))
    axes.margins(y=0.25)


def strength_by_rank(axes: Axes, topk: pd.DataFrame) -> None:
    """Median size of influence at each rank, with the range of the middle 80%."""
    rows = signed(topk)
    axes.set_title("Strength by rank: a steep fall\nmeans few images matter")
    if rows.empty:
        say(axes, NO_INFLUENCE)
        return
    for name, _, colour, marker in KINDS:
        own = rows[rows["kind"].to_numpy() == name]
        if own.empty:
            continue
        sizes = own["influence"].abs().groupby(own["rank"].to_numpy())
        low, middle, high = (sizes.quantile(q) for q in (0.1, 0.5, 0.9))
        every = max(1, len(middle) // 15)
        axes.fill_between(middle.index, low, high, color=colour, alpha=0.2, linewidth=0)
        axes.plot(
            middle.index,
            middle,
            color=colour,
            marker=marker,
            markevery=every,
            markersize=4,
            label=f"{name}s, median and middle 80%",
        )
    axes.set_yscale("log")
    low, high = np.log10(axes.get_ylim())
    # With two ticks in each decade LogLocator draws none at all where there are many.
    axes.yaxis.set_major_locator(
        LogLocator(subs=(1.0, 3.0) if high - low < MOST_DECADES else (1.0,))
    )
    axes.yaxis.set_major_formatter(PLAIN)
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="rank in the list", ylabel="size of influence (log scale)")
    axes.margins(y=0.25)
    axes.legend(loc="upper right")


def opponent_share(axes: Axes, shares: pd.DataFrame) -> None:
    """Share of opponents among the strongest images: mispredicted against correct test images.

    `shares` as from `tracin.crossref.opponent_shares`.
    """
    groups = [
        ("mispredicted", shares.loc[shares["wrong"], "share"], VERMILION, "-"),
        ("correct", shares.loc[~shares["wrong"], "share"], BLUE, "--"),
    ]
    axes.set_title("Opponents among the strongest images:\nare mistakes opposed more?")
    present = [group for group in groups if len(group[1])]
    if not present:
        say(axes, "No test image has a list of influences.")
        return
    edges = np.linspace(0, 1, 21)
    for name, values, colour, line in present:
        counts, _ = np.histogram(values, edges)
        label = f"{len(values):,} {name}: {whole_percent(values.mean())} on average"
        axes.stairs(
            counts / len(values), edges, color=colour, linestyle=line, linewidth=1.8, label=label
        )
        axes.axvline(values.mean(), color=colour, linestyle=":", linewidth=1.2)
    missing = [name for name, values, *_ in groups if not len(values)]
    if missing:
        axes.plot([], [], " ", label=f"no {missing[0]} test image")
    axes.set(xlabel="share of opponents", ylabel="share of the test images", xlim=(0, 1))
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    # The legend's room above is no share.
    axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}" if share <= 1 else "")
    axes.margins(y=0.3)
    # The lines of the means run through it.
    axes.legend(loc="upper right", frameon=True, edgecolor="none", framealpha=0.9)


def most_listed(axes: Axes, counted: pd.DataFrame, count: int = 15) -> None:
    """Bars of the training images that are in the most lists, proponent and opponent apart."""
    top = counted.head(count)
    axes.set_title("Training images in the most lists:\nplain as proponent, hatched as opponent")
    if top.empty:
        say(axes, "No training image is in any list.")
        return
    places = np.arange(len(top))
    axes.barh(places, top["as_proponent"], color=GREEN)
    axes.barh(
        places,
        top["as_opponent"],
        left=top["as_proponent"],
        color=VERMILION,
        hatch="///",
        edgecolor="white",
        linewidth=0,
    )
    names = [
        f"{short(label, NAME_LENGTH)}  #{train}"
        for train, label in zip(top["train_id"], top["label"], strict=True)
    ]
    axes.set_yticks(places, names)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
    axes.xaxis.set_major_formatter(COUNTS)
    axes.set(xlabel="test images whose list it is in", ylabel="label and id of the image")


def helping_classes(axes: Axes, influence: np.ndarray, classes: list[str], count: int = 15) -> None:
    """Bars of the training classes that help or harm one test class the most, [C]."""
    axes.set_title("Training classes, in the lists:\nto the right helps, to the left harms")
    order = np.argsort(-np.abs(influence), kind="stable")[:count]
    order = order[influence[order] != 0]
    if not len(order):
        say(axes, NO_INFLUENCE)
        return
    order = order[np.argsort(-influence[order], kind="stable")]
    values = influence[order]
    places = np.arange(len(order))
    axes.barh(places, values, color=np.where(values > 0, GREEN, VERMILION).tolist())
    axes.set_yticks(places, [short(classes[i], NAME_LENGTH) for i in order])
    axes.invert_yaxis()
    axes.axvline(0, color=GREY, linewidth=1)
    axes.grid(visible=False, axis="y")
    axes.set(xlabel="listed influence per test image", ylabel="label of the training images")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5))


def class_matrix(axes: Axes, influence: np.ndarray, classes: list[str], shown: np.ndarray) -> None:
    """Influence of training classes (rows) on test classes (columns), [C, C], as colours.

    Of the classes with the indices `shown` alone. 0 says that no list holds such a pair: what it
    amounts to isn't known.
    """
    left_out = of_all(len(shown), len(classes))
    axes.set_title(
        "Which training class helps (blue) or harms\n(red) which test class, in the lists"
        + (f"\n({left_out})" if left_out else "")
    )
    influence = influence[np.ix_(shown, shown)]
    largest = float(np.abs(influence).max(initial=0))
    if largest == 0:
        say(axes, NO_INFLUENCE)
        return
    norm = SymLogNorm(linthresh=largest / 100, vmin=-largest, vmax=largest)
    listed = np.ma.masked_equal(influence, 0.0)
    drawn = axes.imshow(listed, cmap="RdBu", norm=norm, aspect="auto")
    axes.set_facecolor(UNLISTED)
    figure = axes.get_figure()
    assert figure is not None
    bar = figure.colorbar(drawn, ax=axes, shrink=0.7, pad=0.02)
    powers = 10.0 ** np.arange(np.ceil(np.log10(norm.linthresh * 3)), np.log10(largest))
    bar.set_ticks([*-powers, 0, *powers])
    bar.ax.yaxis.set_major_formatter(PLAIN)
    bar.minorticks_off()
    bar.set_label("listed influence per test image\n(symmetric log)")
    names = [short(classes[index], NAME_LENGTH) for index in shown]
    upright = max(map(len, names)) > 3
    size = 8 if len(names) <= 20 else 7
    axes.set_xticks(range(len(names)), names, rotation=90 if upright else 0, fontsize=size)
    axes.set_yticks(range(len(names)), names, fontsize=size)
    axes.grid(visible=False)
    axes.set(
        xlabel="label of the test images (grey: in no list)", ylabel="label of the training images"
    )
