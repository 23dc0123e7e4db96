"""A grid of the most confident mistakes."""

import math

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tracin.figures.style import (
    VERMILION,
    place,
    sentence,
    short,
    show_image,
    styled,
    wrapped,
    write,
)

IMAGE, CELL, TEXT, TOP, EDGE = 1.35, 1.65, 0.42, 0.5, 0.2
MOST_COLUMNS = 6
NO_MISTAKES = "Every test image was predicted as labelled: no mistake to show."


def confident_test_mistakes(mispredictions: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the test split, the most confident first."""
    test = mispredictions[mispredictions["split"] == "test"]
    return test.sort_values(["confidence", "sample_id"], ascending=[False, True], kind="stable")


@styled
def mispredictions_grid(mispredictions: pd.DataFrame, pixels: np.ndarray, count: int) -> Figure:
    """Draw the `count` most confident mistakes on the test split.

    `mispredictions` has the columns sample_id, split, label, predicted and
    confidence; `pixels` is uint8 [n, H, W, 3], indexed by sample_id.
    """
    mistakes = confident_test_mistakes(mispredictions)
    shown = mistakes.head(count)
    if shown.empty:
        return sentence(NO_MISTAKES)
    columns = min(MOST_COLUMNS, len(shown))
    rows = math.ceil(len(shown) / columns)
    width = max(columns * CELL + EDGE, 3.6)
    figure = Figure(figsize=(width, TOP + rows * (IMAGE + TEXT + 0.15) + EDGE))
    title = f"The {len(shown)} most confident of {len(mistakes)} test mistakes"
    write(figure, EDGE, 0.12, wrapped(title, width - EDGE, 11), fontsize=11)
    for place_number, mistake in enumerate(shown.to_dict("records")):
        row, column = divmod(place_number, columns)
        left = EDGE + column * CELL
        top = TOP + row * (IMAGE + TEXT + 0.15)
        text = (
            f"label {short(mistake['label'])}\npredicted\n"
            f"{short(mistake['predicted'])} {mistake['confidence']:.0%}"
        )
        write(figure, left, top, text, fontsize=7.5, linespacing=1.15)
        axes = place(figure, left, top + TEXT, IMAGE)
        show_image(axes, pixels[int(mistake["sample_id"])], VERMILION, 1.2)
    return figure
