"""The dashboard of one run's influence."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tracin.crossref import (
    appearances,
    class_influence,
    confusion,
    most_confused,
    opponent_shares,
)
from tracin.figures.panels import (
    NAME_LENGTH,
    class_matrix,
    distribution,
    most_listed,
    opponent_share,
    strength_by_rank,
)
from tracin.figures.style import sentence, styled


@styled
def overall_dashboard(
    images: pd.DataFrame, topk: pd.DataFrame, classes: list[str], most: int
) -> Figure:
    """Draw how influence is spread over ranks, classes and training images.

    `images` as from `tracin.crossref.image_table`; `topk` has test_id, kind, rank, train_id,
    influence. Of more classes than `most` those with the most mistakes are shown.
    """
    if topk.empty:
        return sentence("No test image has a list of influences, so there is no dashboard.")
    shown = most_confused(confusion(images, len(classes)), most)
    longest = min(NAME_LENGTH, max(len(classes[index]) for index in shown))
    matrix = float(np.clip(0.21 * len(shown), 3.2, 12)) + 0.075 * longest + 1.6
    width = max(13.0, matrix + 6.5)
    figure = Figure(figsize=(width, 4.2 + max(matrix - 0.5, 4.6)), layout="constrained")
    rows = figure.add_gridspec(2, 1, height_ratios=[4.0, max(matrix - 0.5, 4.6)])
    upper, lower = figure.add_subfigure(rows[0]), figure.add_subfigure(rows[1])
    tests = topk["test_id"].nunique()
    figure.suptitle(
        f"Influence of the training images on {tests:,} test images: positive helps "
        "(lowers the loss), negative harms"
    )
    panels = upper.subplots(1, 3)
    distribution(panels[0], topk)
    strength_by_rank(panels[1], topk)
    opponent_share(panels[2], opponent_shares(images, topk))
    left, right = lower.subplots(1, 2, width_ratios=[matrix, width - matrix])
    class_matrix(left, class_influence(images, topk, len(classes)), classes, shown)
    most_listed(right, appearances(images, topk))
    return figure
