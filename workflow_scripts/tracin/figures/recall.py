"""How fast wrong labels are found when the most suspicious come first."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from tracin.figures.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    SKY_BLUE,
    VERMILION,
    sentence,
    styled,
    wrapped,
)
from tracin.units import whole_percent

INSPECTED = 0.2
COLOURS = (BLUE, VERMILION, GREEN, ORANGE, SKY_BLUE, BLACK)


@styled
def recall_curves(
    curves: Mapping[str, np.ndarray], title_note: str, others: Sequence[np.ndarray] = ()
) -> Figure:
    """Draw the share of wrong labels found against the share inspected, one curve per ranking.

    `curves` maps the name of a ranking to bool [n]: whether each label is wrong, in the order in
    which the images would be inspected. The first is the one that the title speaks of;
    `title_note` ends the title. `others` are drawn in grey, without names.
    """
    first = np.asarray(next(iter(curves.values())), dtype=bool)
    if not first.any():
        return sentence("No training label is known to be wrong: nothing to find.")
    figure = Figure(figsize=(6.4, 5.0), layout="constrained")
    axes = figure.subplots()
    for number, (name, errors) in enumerate(curves.items()):
        inspected, found = _curve(errors)
        at_mark = found[int(INSPECTED * len(errors))]
        width = 2.4 if number == 0 else 1.2
        label = f"{name} ({whole_percent(at_mark)})"
        style = "-" if number < len(COLOURS) else "-."
        colour = COLOURS[number % len(COLOURS)]
        axes.plot(inspected, found, style, color=colour, linewidth=width, label=label)
    for number, errors in enumerate(others):
        once = None if number else "each other signal"
        axes.plot(*_curve(errors), color=GREY, linewidth=0.6, alpha=0.7, zorder=1.5, label=once)
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", label=f"random order ({INSPECTED:.0%})")
    axes.axvline(INSPECTED, color=GREY, linestyle=":", linewidth=1.2)
    share = first[: int(INSPECTED * len(first))].sum() / first.sum()
    title = f"Inspecting {INSPECTED:.0%} of the images finds {whole_percent(share)} of wrong labels"
    axes.set_title(wrapped(title, 5.6, 9) + (f"\n({title_note})" if title_note else ""))
    axes.set(xlabel="training images inspected", ylabel="wrong labels found")
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    # A bad order's curve runs through the corner where there is room.
    ground = {"frameon": True, "edgecolor": "none", "framealpha": 0.9}
    axes.legend(loc="lower right", title=f"order (found in the first {INSPECTED:.0%})", **ground)
    return figure


def _curve(errors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shares inspected and found, [n + 1] each, of bool [n] in the order of inspection."""
    inspected = np.arange(len(errors) + 1) / len(errors)
    return inspected, np.concatenate([[0.0], np.cumsum(errors) / errors.sum()])


def errors_in_order(suspects: pd.DataFrame, manifest: pd.DataFrame) -> dict[str, np.ndarray]:
    """Whether each training label is wrong, bool [n], by suspicion and by loss, worst first.

    `suspects` has train_id, label, rank and loss; `manifest` has sample_id and true_label. Images
    whose true label is unknown are not ranked; empty when none is known.
    """
    truth = manifest.set_index("sample_id")["true_label"].dropna()
    ranked = suspects[suspects["train_id"].isin(truth.index)]
    if ranked.empty:
        return {}
    wrong = (ranked["label"] != truth.loc[ranked["train_id"]].to_numpy()).to_numpy(dtype=bool)
    orders = {
        "most suspicious first": ranked["rank"].to_numpy(),
        "highest loss first": -ranked["loss"].to_numpy(),
    }
    return {name: wrong[np.argsort(key, kind="stable")] for name, key in orders.items()}
