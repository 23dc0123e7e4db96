"""How fast wrong labels are found when the most suspicious come first."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from tracin.figures.style import BLUE, GREY, VERMILION, sentence, styled, wrapped

INSPECTED = 0.2
SMALLEST_PROBABILITY = 1e-12


@styled
def recall_figure(order_is_error: np.ndarray, title_note: str) -> Figure:
    """Draw the share of wrong labels found against the share inspected.

    `order_is_error` is bool [n], whether each label is wrong, in the order in
    which the images would be inspected; `title_note` ends the title.
    """
    errors = np.asarray(order_is_error, dtype=bool)
    if not errors.any():
        return sentence("No training label is known to be wrong: nothing to find.")
    inspected = np.arange(len(errors) + 1) / len(errors)
    found = np.concatenate([[0.0], np.cumsum(errors) / errors.sum()])
    at_mark = float(found[int(INSPECTED * len(errors))])
    figure = Figure(figsize=(5.6, 5.0), layout="constrained")
    axes = figure.subplots()
    axes.plot(inspected, found, color=BLUE, label="highest loss first")
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", label="random order")
    axes.axvline(INSPECTED, color=VERMILION, linestyle=":", linewidth=1.2)
    axes.plot(
        [INSPECTED],
        [at_mark],
        "o",
        color=VERMILION,
        label=f"{INSPECTED:.0%} inspected: {at_mark:.0%} found",
    )
    title = f"Inspecting {INSPECTED:.0%} of the images finds {at_mark:.0%} of wrong labels"
    note = f"\n({title_note})" if title_note else ""
    axes.set_title(wrapped(title, 4.8, 9) + note)
    axes.set(xlabel="training images inspected", ylabel="wrong labels found")
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.legend(loc="lower right")
    return figure


def errors_by_loss(
    predictions: pd.DataFrame, manifest: pd.DataFrame, labels: pd.DataFrame
) -> np.ndarray | None:
    """Return whether each training label is wrong, highest loss first, bool [n].

    `predictions` has sample_id, split and probabilities, a list [C] per row;
    `manifest` has sample_id, label and true_label; `labels` has sample_id,
    label_index and keep. Images left out of the label set, or whose true label
    is unknown, are not ranked. None when no true label is known.
    """
    if not manifest["true_label"].notna().any():
        return None
    names = manifest[["sample_id", "label", "true_label"]]
    joined = labels[["sample_id", "label_index", "keep"]].merge(names, on="sample_id")
    # An index is named after the label that most of its images were given.
    name_of = joined.groupby("label_index")["label"].agg(lambda s: s.mode().iloc[0])
    joined["current"] = joined["label_index"].map(name_of)
    train = predictions.loc[predictions["split"] == "train", ["sample_id", "probabilities"]]
    ranked = joined[joined["keep"] & joined["true_label"].notna()].merge(train, on="sample_id")
    pairs = zip(ranked["probabilities"], ranked["label_index"], strict=True)
    chosen = np.array([row[index] for row, index in pairs], dtype=float)
    loss = -np.log(np.maximum(chosen, SMALLEST_PROBABILITY))
    wrong = (ranked["current"] != ranked["true_label"]).to_numpy(dtype=bool)
    return np.asarray(wrong[np.argsort(-loss, kind="stable")])
