"""The dashboard of one class of test images."""

import re
import unicodedata
from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from tracin.crossref import (
    appearances,
    by_total_influence,
    class_influence,
    confusion,
    most_confused,
    opponent_shares,
)
from tracin.figures.panels import (
    NAME_LENGTH,
    distribution,
    helping_classes,
    most_listed,
    opponent_share,
    strength_by_rank,
)
from tracin.figures.style import GREEN, VERMILION, sentence, short, styled, write
from tracin.figures.thumbnails import EDGE, Cell, Grid, draw_cells, tests, truly

PANELS = 8.4
GRID = Grid(columns=8, cell=1.6, image=1.3, lines=4)
HEADING = 0.3
STRIPS = (
    (True, GREEN, "Training images that help this class most, by summed influence"),
    (False, VERMILION, "Training images that harm this class most, by summed influence"),
)


def file_stem(index: int, name: str) -> str:
    """A file name for a class: its index makes it unique, letters of its name readable."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^A-Za-z0-9]+", "-", plain).strip("-")[:40]
    return f"{index:03d}-{slug}" if slug else f"{index:03d}"


def class_dashboards(
    images: pd.DataFrame, topk: pd.DataFrame, classes: list[str], pixels: np.ndarray, most: int
) -> Iterator[tuple[str, Figure]]:
    """Yield a file stem and the dashboard of each class, in the order of `classes`.

    Of more than `most` those with the most mistakes.
    """
    influence = class_influence(images, topk, len(classes))
    test_class = images["label_index"].loc[topk["test_id"]].to_numpy()
    for index in most_confused(confusion(images, len(classes)), most).tolist():
        own = topk[test_class == index]
        figure = class_dashboard(images, own, index, influence[:, index], classes, pixels)
        yield file_stem(index, classes[index]), figure


@styled
def class_dashboard(
    images: pd.DataFrame,
    topk: pd.DataFrame,
    index: int,
    influence: np.ndarray,
    classes: list[str],
    pixels: np.ndarray,
) -> Figure:
    """Draw the influences on the test images of one class.

    `topk` holds the lists of these test images alone; `influence` [C] is that of each training
    class on this one; `pixels` is uint8 [n, H, W, 3].
    """
    name = short(classes[index], 40)
    own = images[(images["split"] == "test") & (images["label_index"] == index)]
    if own.empty or topk.empty:
        return sentence(f"Class {name} has no test image with a list of influences.")
    height = PANELS + 2 * (HEADING + GRID.row)
    above_strips = (0.005, 1 - (PANELS - 0.1) / height, 0.99, (PANELS - 0.1 - HEADING) / height)
    figure = Figure(figsize=(13.2, height), layout=ConstrainedLayoutEngine(rect=above_strips))
    write(figure, EDGE, 0.08, _title(name, own), fontsize=11)
    rows = figure.add_gridspec(2, 1, height_ratios=[1, 1.15])
    upper = figure.add_subfigure(rows[0]).subplots(1, 3)
    lower = figure.add_subfigure(rows[1]).subplots(1, 2)
    counted = appearances(images, topk)
    distribution(upper[0], topk)
    strength_by_rank(upper[1], topk)
    opponent_share(upper[2], opponent_shares(images, topk))
    helping_classes(lower[0], influence, classes)
    most_listed(lower[1], counted)
    top = PANELS
    for helpful, colour, heading in STRIPS:
        chosen = by_total_influence(counted, helpful).head(GRID.columns)
        note = heading if len(chosen) else f"{heading}: none"
        write(figure, EDGE, top, note, fontsize=9.5, weight="bold", color=colour)
        draw_cells(
            figure, GRID, _cells(chosen, images["true_label"], pixels, colour), EDGE, top + HEADING
        )
        top += HEADING + GRID.row
    return figure


def _title(name: str, own: pd.DataFrame) -> str:
    wrong = own[own["wrong"]]
    text = f"Class {name}: {len(wrong)} of {len(own)} test images are mispredicted"
    if wrong.empty:
        return text
    most = wrong["predicted"].value_counts().sort_index().sort_values(kind="stable")
    return f"{text}, most often as {short(most.index[-1], NAME_LENGTH)} ({most.iloc[-1]})"


def _cells(
    chosen: pd.DataFrame, true_labels: pd.Series, pixels: np.ndarray, colour: str
) -> list[Cell]:
    return [
        Cell(
            pixels[int(row["train_id"])],
            f"label {short(row['label'])}{truly(row['label'], true_labels.get(row['train_id']))}\n"
            f"#{row['train_id']}\n"
            f"{row['total_influence']:+.3g} over {tests(row)}",
            colour,
        )
        for row in chosen.to_dict("records")
    ]
