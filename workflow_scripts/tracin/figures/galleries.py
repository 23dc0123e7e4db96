"""Pages of training images: the most helpful, the most harmful, the most suspicious."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tracin.crossref import by_total_influence, signed
from tracin.figures.style import (
    BLUE,
    GREEN,
    GREY,
    VERMILION,
    characters,
    sentence,
    short,
    styled,
    tail,
    wrapped,
    write,
)
from tracin.figures.thumbnails import EDGE, Cell, Grid, draw_cells, gallery, tests, thumbnail, truly
from tracin.label_errors.reasons import parts
from tracin.units import whole_percent

TOP = Grid(columns=6, cell=1.75, image=1.4, lines=4)
CANDIDATES = Grid(columns=5, cell=2.5, image=1.7, lines=8)
TESTS = Grid(columns=5, cell=1.7, image=1.35, lines=4)
LARGE = 3.0
REASON_LINES = 4
WORDS = {True: ("helpful", "lowers"), False: ("harmful", "raises")}


def top_images(
    counted: pd.DataFrame, images: pd.DataFrame, pixels: np.ndarray, helpful: bool, count: int
) -> Figure:
    """Draw the training images of the largest summed influence of one sign.

    `counted` and `images` as from `tracin.crossref`; `pixels` is uint8 [n, H, W, 3].
    """
    word, verb = WORDS[helpful]
    ranked = by_total_influence(counted, helpful)
    if ranked.empty:
        return sentence(f"No training image is {word} in all.")
    true = images["true_label"]
    cells = [
        Cell(
            pixels[int(row["train_id"])],
            f"label {short(row['label'])}{truly(row['label'], true.get(row['train_id']))}\n"
            f"#{row['train_id']}\n{row['total_influence']:+.3g} over {tests(row)}",
            GREEN if helpful else VERMILION,
        )
        for row in ranked.head(count).to_dict("records")
    ]
    known = f"{len(ranked):,} training images that {verb[:-1]} the loss in their lists"
    title = f"The {len(cells)} most {word} of {known}"
    caption = (
        "By the sum of influences on the test images in whose lists the image is: training on it "
        f"{verb} their loss. What is in no list is too weak for it."
    )
    return gallery(title, caption, TOP, cells)


def mislabeled_candidates(
    suspects: pd.DataFrame, true_labels: pd.Series, pixels: np.ndarray, count: int
) -> Figure:
    """Draw the training labels most likely wrong, each with what it should be and why.

    `suspects` has train_id, label, suggested_label, suggested_probability, suspicion, rank,
    suspected and reasons; `true_labels` by sample_id, null where the truth is not known.
    """
    ranked = suspects.sort_values("rank").head(count)
    if ranked.empty:
        return sentence("No training label was examined, so there is no candidate to show.")
    width = characters(CANDIDATES.cell - 0.15, 7.5)
    cells = [
        Cell(
            pixels[int(row["train_id"])],
            f"{row['rank']}. label {short(row['label'], width - 10)}"
            f"{truly(row['label'], true_labels.get(row['train_id']))}\n"
            f"suggested {short(row['suggested_label'], width - 15)} "
            f"{whole_percent(row['suggested_probability'])}\n"
            f"suspicion {row['suspicion']:.2f}\n"
            f"{_reasons(row['reasons'], row['suggested_label'])}",
            VERMILION if row["suspected"] else GREY,
        )
        for row in ranked.to_dict("records")
    ]
    suspected = int(suspects["suspected"].sum())
    title = f"The {len(cells)} training labels most likely wrong; {suspected:,} are suspected"
    caption = (
        "Suspicion runs from 0 to 1 (surely wrong). Vermilion frame: within the number of images "
        "worth reviewing; grey: beyond it. Look at the image before changing its label."
    )
    return gallery(title, caption, CANDIDATES, cells)


def _reasons(reasons: str, suggested: str) -> str:
    """The first lines of the reasons, each reason on a line of its own."""
    lines = [
        line
        for reason in parts(reasons, suggested)
        for line in wrapped(short(reason, 200), CANDIDATES.cell - 0.15, 7.5).splitlines()
    ]
    return "\n".join(lines[:REASON_LINES]) + (" …" if len(lines) > REASON_LINES else "")


def detailed_images(
    counted: pd.DataFrame,
    images: pd.DataFrame,
    topk: pd.DataFrame,
    pixels: np.ndarray,
    helpful: bool,
    count: int,
) -> Iterator[tuple[str, Figure]]:
    """Yield a file stem, rank and id, and a page for each of the strongest images of one sign."""
    rows = signed(topk)
    sign = 1 if helpful else -1
    for rank, row in enumerate(
        by_total_influence(counted, helpful).head(count).to_dict("records"), 1
    ):
        own = rows[(rows["train_id"] == row["train_id"]) & (rows["influence"] * sign > 0)]
        order = np.lexsort((own["test_id"].to_numpy(), -own["influence"].abs().to_numpy()))
        moved = own.iloc[order].head(2 * TESTS.columns)
        yield f"{rank:02d}_{row['train_id']}", _detailed(row, moved, images, pixels, helpful)


@styled
def _detailed(
    row: dict[Any, Any],
    moved: pd.DataFrame,
    images: pd.DataFrame,
    pixels: np.ndarray,
    helpful: bool,
) -> Figure:
    word, verb = WORDS[helpful]
    left, top = EDGE * 2 + LARGE + 0.2, 0.75
    figure = Figure(figsize=(left + TESTS.columns * TESTS.cell + EDGE, top + 2 * TESTS.row + 0.7))
    colour = GREEN if helpful else VERMILION
    title = (
        f"Training image #{row['train_id']}, {word}: influence {row['total_influence']:+.3g} in all"
    )
    write(figure, EDGE, 0.12, f"{title} over {tests(row)}", fontsize=11)
    write(figure, left, 0.45, f"Test images whose loss it {verb} most", fontsize=9.5, weight="bold")
    true = images["true_label"].get(row["train_id"])
    text = f"label {short(row['label'], 40)}{truly(row['label'], true)}"
    cell = Cell(pixels[int(row["train_id"])], text, colour, 3)
    thumbnail(figure, cell, EDGE, top + 0.2, LARGE)
    path = "\n".join(_pieces(tail(row["path"], 140), characters(LARGE, 9)))
    write(figure, EDGE, top + 0.3 + LARGE, path, fontsize=7.5)
    draw_cells(figure, TESTS, _moved(moved, images, pixels), left, top)
    return figure


def _pieces(text: str, length: int) -> list[str]:
    """A path broken at any character: it may have no space in 255."""
    return [text[start : start + length] for start in range(0, len(text), length)]


def _moved(moved: pd.DataFrame, images: pd.DataFrame, pixels: np.ndarray) -> list[Cell]:
    known = images.loc[moved["test_id"]]
    return [
        Cell(
            pixels[int(test)],
            f"label {short(label)}\n"
            f"{f'taken for {short(predicted, 16)}' if wrong else 'predicted right'}\n"
            f"#{test}\n{influence:+.3g}",
            VERMILION if wrong else BLUE,
        )
        for test, influence, label, predicted, wrong in zip(
            moved["test_id"],
            moved["influence"],
            known["label"],
            known["predicted"],
            known["wrong"],
            strict=True,
        )
    ]
