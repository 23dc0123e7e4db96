"""Learning curves of the two training stages."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter, MaxNLocator

from tracin.figures.style import BLUE, GREY, ORANGE, VERMILION, sentence, styled

STAGE_NAMES = {"head": "head only", "full": "whole network"}


@styled
def learning_curves(training: pd.DataFrame) -> Figure:
    """Draw loss, accuracy and learning rates against the epoch.

    `training` has one row per epoch, [E], in the order they were run, with the
    columns stage, epoch, train_loss, val_loss, train_accuracy, val_accuracy,
    learning_rate_head and learning_rate_backbone. Epochs are counted through
    both stages.
    """
    if training.empty:
        return sentence("No epoch was run, so there are no learning curves.")
    epochs = np.arange(1, len(training) + 1)
    figure = Figure(figsize=(11, 4.8), layout="constrained")
    panels = figure.subplots(1, 3)
    _pair(panels[0], epochs, training, "loss")
    _pair(panels[1], epochs, training, "accuracy")
    _rates(panels[2], epochs, training)
    panels[0].set(title="Loss: a widening gap is overfitting", ylabel="cross-entropy")
    panels[1].set(title="Accuracy: share of images right", ylabel="accuracy")
    panels[2].set(title="Learning rate: zero is not drawn", ylabel="rate (log scale)")
    best = _best(training)
    for panel in panels:
        _marks(panel, epochs, training, best)
        panel.set_xlabel("epoch, counted through both stages")
        panel.set_xlim(0.5, len(training) + 0.5)
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=1)
    return figure


def _pair(axes: Axes, epochs: np.ndarray, training: pd.DataFrame, measure: str) -> None:
    lines = (
        ("train", "training", BLUE, "o"),
        ("val", "validation", VERMILION, "s"),
    )
    for prefix, name, colour, marker in lines:
        values = training[f"{prefix}_{measure}"].to_numpy(dtype=float)
        axes.plot(epochs, values, color=colour, marker=marker, markersize=4, label=name)


def _rates(axes: Axes, epochs: np.ndarray, training: pd.DataFrame) -> None:
    for part, colour, marker in (("head", BLUE, "o"), ("backbone", ORANGE, "^")):
        values = training[f"learning_rate_{part}"].to_numpy(dtype=float)
        drawn = np.where(values > 0, values, np.nan)
        if np.isfinite(drawn).any():
            axes.plot(epochs, drawn, color=colour, marker=marker, markersize=4, label=part)
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter(LogFormatter())
            axes.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(1.2, 0.5)))


def _best(training: pd.DataFrame) -> int | None:
    """Return the row with the lowest validation loss: training keeps its weights."""
    ranked = (
        training.reset_index(drop=True)
        .dropna(subset=["val_loss"])
        .sort_values("val_loss", kind="stable")
    )
    return None if ranked.empty else int(ranked.index[0])


def _marks(axes: Axes, epochs: np.ndarray, training: pd.DataFrame, best: int | None) -> None:
    stages = training["stage"].astype(str).to_list()
    for row in range(1, len(stages)):
        if stages[row] != stages[row - 1]:
            name = STAGE_NAMES.get(stages[row], stages[row])
            axes.axvline(epochs[row] - 0.5, color=GREY, linestyle="--", label=f"{name} begins")
    if best is not None:
        axes.axvline(
            epochs[best],
            color="black",
            linestyle=":",
            label=f"lowest validation loss (epoch {epochs[best]})",
        )
