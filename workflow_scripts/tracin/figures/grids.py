"""A grid of the most confident mistakes."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tracin.figures.style import VERMILION, sentence, short
from tracin.figures.thumbnails import Cell, Grid, gallery
from tracin.units import whole_percent

GRID = Grid(columns=6, cell=1.65, image=1.35, lines=3)
NO_MISTAKES = "Every test image was predicted as labelled: no mistake to show."


def confident_test_mistakes(mispredictions: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the test split, the most confident first."""
    test = mispredictions[mispredictions["split"] == "test"]
    return test.sort_values(["confidence", "sample_id"], ascending=[False, True], kind="stable")


def mispredictions_grid(mispredictions: pd.DataFrame, pixels: np.ndarray, count: int) -> Figure:
    """Draw the `count` most confident mistakes on the test split.

    `mispredictions` has the columns sample_id, split, label, predicted and
    confidence; `pixels` is uint8 [n, H, W, 3], indexed by sample_id.
    """
    mistakes = confident_test_mistakes(mispredictions)
    shown = mistakes.head(count)
    if shown.empty:
        return sentence(NO_MISTAKES)
    cells = [
        Cell(
            pixels[int(mistake["sample_id"])],
            f"label {short(mistake['label'])}\npredicted\n"
            f"{short(mistake['predicted'])} {whole_percent(mistake['confidence'])}",
            VERMILION,
            1.2,
        )
        for mistake in shown.to_dict("records")
    ]
    title = f"The {len(shown)} most confident of {len(mistakes)} test mistakes"
    return gallery(title, "", GRID, cells)
