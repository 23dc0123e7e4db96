"""Mistakes beside the training images that influenced them most."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tracin.figures.grids import NO_MISTAKES, confident_test_mistakes
from tracin.figures.style import (
    BLACK,
    GREEN,
    VERMILION,
    sentence,
    short,
    styled,
    wrapped,
    write,
)
from tracin.figures.thumbnails import Cell, thumbnail, truly
from tracin.units import whole_percent

IMAGE, CELL, TEXT, GAP, EDGE = 1.25, 1.5, 0.58, 0.3, 0.2
ROW = TEXT + IMAGE + 0.15
CAPTION = (
    "Green-blue: proponents, positive influence; training on the image lowers "
    "the loss of the test image under its given label (helpful). Vermilion: "
    "opponents, negative influence; training on the image raises that loss "
    "(harmful). Strongest first; the label shown is the given one."
)
TITLE = "Confident test mistakes and the training images behind them"


@styled
def explained_mistakes(
    mispredictions: pd.DataFrame,
    topk: pd.DataFrame,
    manifest: pd.DataFrame,
    pixels: np.ndarray,
    rows: int,
    per_row: int,
) -> Figure:
    """Draw test mistakes, each with its strongest proponents and opponents.

    `topk` has test_id, kind, rank, train_id and influence (positive lowers the loss of the test
    image); `manifest` sample_id, label and true_label; `pixels` is uint8 [n, H, W, 3]. The figure
    has up to `rows` mistakes with up to `per_row` images of each kind.
    """
    mistakes = confident_test_mistakes(mispredictions)
    if mistakes.empty:
        return sentence(NO_MISTAKES)
    traced = mistakes[mistakes["sample_id"].isin(topk["test_id"])].head(rows)
    if traced.empty:
        return sentence("No influence was computed for the test mistakes.")
    figure, top = _empty_page(len(traced), per_row)
    known = manifest.set_index("sample_id")[["label", "true_label"]]
    for mistake in traced.to_dict("records"):
        sample = int(mistake["sample_id"])
        text = (
            f"label {short(mistake['label'])}{truly(*known.loc[sample])}\n"
            f"predicted\n{short(mistake['predicted'])} {whole_percent(mistake['confidence'])}"
        )
        thumbnail(figure, Cell(pixels[sample], text, BLACK, 3), EDGE, top + TEXT, IMAGE)
        for side, colour in ((1, GREEN), (-1, VERMILION)):
            strongest = _strongest(topk[topk["test_id"] == sample], side, per_row)
            for column, image in enumerate(strongest):
                train = int(image["train_id"])
                name = f"{short(known.loc[train, 'label'])}{truly(*known.loc[train])}"
                left = _group_left(side, per_row) + column * CELL
                caption = f"{name}\n{image['influence']:+.3g}"
                cell = Cell(pixels[train], caption, colour, 3)
                thumbnail(figure, cell, left, top + TEXT, IMAGE)
        top += ROW
    return figure


def _empty_page(rows: int, per_row: int) -> tuple[Figure, float]:
    """Return a page with title, headers and caption, and where rows begin."""
    width = EDGE * 2 + CELL * (1 + 2 * per_row) + 2 * GAP
    inside = width - 2 * EDGE
    title, caption = wrapped(TITLE, inside, 11), wrapped(CAPTION, inside, 8)
    headers = 0.2 + 0.2 * len(title.splitlines())
    top = headers + 0.3
    foot = 0.15 + 0.15 * len(caption.splitlines())
    figure = Figure(figsize=(width, top + rows * ROW + foot + 0.05))
    write(figure, EDGE, 0.1, title, fontsize=11)
    write(figure, EDGE, top + rows * ROW + 0.05, caption, fontsize=8)
    for left, text, colour in (
        (EDGE, "Test image", BLACK),
        (_group_left(1, per_row), "Proponents (+)", GREEN),
        (_group_left(-1, per_row), "Opponents (−)", VERMILION),
    ):
        write(figure, left, headers, text, color=colour, fontsize=9.5, weight="bold")
    return figure, top


def _group_left(side: int, per_row: int) -> float:
    left = EDGE + CELL + GAP
    return left if side > 0 else left + per_row * CELL + GAP


def _strongest(own: pd.DataFrame, side: int, count: int) -> list[dict[Any, Any]]:
    """Return up to `count` rows whose influence has the sign of its kind."""
    kind = "proponent" if side > 0 else "opponent"
    of_kind = own[own["kind"].astype(str).str.startswith(kind)]
    signed = of_kind[of_kind["influence"] * side > 0]
    return signed.sort_values("rank").head(count).to_dict("records")
