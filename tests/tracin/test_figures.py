"""Structure of the figures, on synthetic data."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from tracin.figures.confusion import confusion_figure
from tracin.figures.grids import mispredictions_grid
from tracin.figures.learning import learning_curves
from tracin.figures.mistakes import explained_mistakes
from tracin.figures.recall import errors_in_order, recall_curves
from tracin.figures.style import save, sentence, short

LONG = "abcdefghijklmnopqrstuvw"


def names(count: int) -> list[str]:
    return [f"{LONG}{index:02d}" for index in range(count)]


def draw(figure: Figure) -> FigureCanvasAgg:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return canvas


def texts(figure: Figure) -> str:
    return " ".join(" ".join(t.get_text().split()) for t in figure.texts)


def assert_apart(canvas: FigureCanvasAgg, labels: list[Text]) -> None:
    boxes = [label.get_window_extent(canvas.get_renderer()) for label in labels]
    for one, other in combinations(boxes, 2):
        assert not one.overlaps(other)
    for box in boxes:
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= canvas.figure.bbox.x1
        assert box.y1 <= canvas.figure.bbox.y1


def training(head: int, full: int) -> pd.DataFrame:
    n = head + full
    steps = np.arange(n)
    return pd.DataFrame(
        {
            "stage": ["head"] * head + ["full"] * full,
            "epoch": [*range(head), *range(full)],
            "train_loss": 2 * 0.8**steps,
            "val_loss": 2 * 0.85**steps + 0.1,
            "train_accuracy": 1 - 0.7 * 0.8**steps,
            "val_accuracy": 0.9 - 0.6 * 0.8**steps,
            "learning_rate_head": [1e-2] * head + [1e-3] * full,
            "learning_rate_backbone": [0.0] * head + [1e-4] * full,
            "seconds": 1.0,
            "images_per_second": 100.0,
        }
    )


def manifest(n: int = 40) -> pd.DataFrame:
    label = [names(2)[index % 2] for index in range(n)]
    true = [names(2)[0] if index % 5 else None for index in range(n)]
    return pd.DataFrame({"sample_id": range(n), "label": label, "true_label": true})


def mistakes(n: int = 9) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "sample_id": range(n),
            "split": ["train"] + ["test"] * (n - 1),
            "path": "x.png",
            "label": names(2)[0],
            "predicted": names(2)[1],
            "confidence": np.linspace(0.999, 0.5, n),
        }
    )


def topk(tests: int = 9, k: int = 5) -> pd.DataFrame:
    rows = [
        (
            test,
            kind,
            rank,
            10 + rank + (0 if sign > 0 else k),
            sign * 0.123 / (rank + 1),
        )
        for test in range(tests)
        for kind, sign in (("proponent", 1), ("opponent", -1))
        for rank in range(k)
    ]
    columns = ["test_id", "kind", "rank", "train_id", "influence"]
    return pd.DataFrame(rows, columns=columns)


def pixels(n: int = 40) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (n, 32, 32, 3), dtype=np.uint8)


def test_short() -> None:
    assert short("cat", 18) == "cat"
    assert short(LONG, 18) == LONG[:9].rstrip() + "…" + LONG[-8:].lstrip()
    one, other = "Cherry_(including_sour)___healthy", "Cherry_(including_sour)___Powdery_mildew"
    assert (short(one, 16), short(other, 16)) == ("Cherry_(…healthy", "Cherry_(…_mildew")


def test_save_writes_png(tmp_path: Path) -> None:
    save(sentence("Nothing."), tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(("head", "full"), [(3, 6), (1, 0), (0, 4)])
def test_learning_curves(head: int, full: int) -> None:
    figure = learning_curves(training(head, full))
    draw(figure)
    assert len(figure.axes) == 3
    legend = figure.axes[0].get_legend()
    assert legend is not None
    entries = [text.get_text() for text in legend.get_texts()]
    assert f"lowest validation loss (epoch {head + full})" in entries
    assert ("whole network begins" in entries) == bool(head and full)
    assert figure.axes[2].get_yscale() == "log"


def test_learning_curves_without_epochs() -> None:
    assert "No epoch" in texts(learning_curves(training(0, 0)))


@pytest.mark.parametrize("count", [2, 10, 20, 40])
def test_confusion_names_do_not_overlap(count: int) -> None:
    figure = confusion_figure(np.eye(count, dtype=int) * 100 + 3, names(count), 40)
    canvas = draw(figure)
    axes = figure.axes[0]
    labels = [*axes.get_xticklabels(), *axes.get_yticklabels()]
    assert [label.get_text() for label in labels] == names(count) * 2
    assert_apart(canvas, labels)
    assert len(axes.texts) == (count**2 if count <= 20 else 0)
    assert_apart(canvas, list(axes.texts))


@pytest.mark.parametrize("letter", "nW")
@pytest.mark.parametrize("count", [2, 3, 5, 10, 40])
def test_confusion_of_long_names_is_whole(count: int, letter: str) -> None:
    named = [f"{i:02d}{letter * 24}" for i in range(count)]
    canvas = draw(confusion_figure(np.eye(count, dtype=int), named, 40))
    figure = canvas.figure
    drawn = figure.get_tightbbox(canvas.get_renderer())
    page = figure.bbox_inches
    assert drawn.x0 >= 0 and drawn.y0 >= 0 and drawn.x1 <= page.x1 and drawn.y1 <= page.y1
    matrix = figure.axes[0].get_window_extent()
    assert matrix.height > 0.9 * 72 and matrix.height == pytest.approx(matrix.width)


def test_confusion_of_rows_is_normalised() -> None:
    figure = confusion_figure(np.array([[3, 1], [0, 0]]), ["a", "b"], 2)
    shares = figure.axes[0].images[0].get_array()
    assert shares is not None
    np.testing.assert_allclose(np.asarray(shares), np.array([[0.75, 0.25], [0.0, 0.0]]))


def test_of_many_classes_the_most_confused_are_shown() -> None:
    matrix = 9 * np.eye(300, dtype=int)
    matrix[7, 290] = matrix[290, 8] = 1
    figure = confusion_figure(matrix, names(300), 40)
    assert_apart(draw(figure), figure.axes[0].get_yticklabels())
    shown = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert shown == [short(name, 26) for name in [*names(300)[:39], names(300)[290]]]
    assert "the 40 of 300 classes with the most mistakes" in texts(figure)
    shares = figure.axes[0].images[0].get_array()
    assert shares is not None and shares[7].tolist() == [0] * 7 + [0.9] + [0] * 31 + [0.1]


def test_confusion_of_nothing() -> None:
    assert "No image" in texts(confusion_figure(np.zeros((2, 2)), ["a", "b"], 2))


@pytest.mark.parametrize("count", [1, 5, 24])
def test_grid_shows_test_mistakes_most_confident_first(count: int) -> None:
    images = pixels()
    figure = mispredictions_grid(mistakes(), images, count)
    assert len(figure.axes) == min(count, 8)
    shown = figure.axes[0].images[0].get_array()
    np.testing.assert_array_equal(np.asarray(shown), images[1])
    assert_apart(draw(figure), list(figure.texts))


def test_empty_mispredictions_are_said() -> None:
    none = mistakes().iloc[:0]
    assert "no mistake" in texts(mispredictions_grid(none, pixels(), 5))
    figure = explained_mistakes(none, topk(), manifest(), pixels(), 3, 2)
    assert "no mistake" in texts(figure)


def test_a_confidence_is_not_rounded_to_all() -> None:
    sure = mistakes().assign(confidence=0.999)
    explained = explained_mistakes(sure, topk(), manifest(), pixels(), 2, 2)
    for figure in (mispredictions_grid(sure, pixels(), 5), explained):
        assert ">99%" in texts(figure) and "100%" not in texts(figure)


@pytest.mark.parametrize(("rows", "per_row"), [(1, 1), (3, 3), (4, 5)])
def test_mistakes(rows: int, per_row: int) -> None:
    figure = explained_mistakes(mistakes(), topk(), manifest(), pixels(), rows, per_row)
    assert len(figure.axes) == rows * (1 + 2 * per_row)
    said = texts(figure)
    assert "lowers the loss" in said
    assert "raises that loss" in said
    assert "+0.123" in said
    assert "-0.123" in said
    assert "(truly " in said
    assert_apart(draw(figure), list(figure.texts))


def test_mistakes_without_influence() -> None:
    none = topk().iloc[:0]
    figure = explained_mistakes(mistakes(), none, manifest(), pixels(), 3, 2)
    assert "No influence" in texts(figure)


def test_influence_of_the_wrong_sign_is_not_shown() -> None:
    flipped = topk().assign(influence=lambda frame: -frame["influence"])
    figure = explained_mistakes(mistakes(), flipped, manifest(), pixels(), 2, 2)
    assert len(figure.axes) == 2


def test_recall() -> None:
    errors = np.zeros(100, dtype=bool)
    errors[[0, 5, 10, 60]] = True
    curves = {"best": errors, "other": errors[::-1]}
    figure = recall_curves(curves, "4 planted wrong labels")
    draw(figure)
    title = " ".join(figure.axes[0].get_title().split())
    assert "finds 75%" in title
    assert "4 planted wrong labels" in title
    legend = figure.axes[0].get_legend()
    assert legend is not None
    names = [text.get_text() for text in legend.get_texts()]
    assert names == ["best (75%)", "other (0%)", "random order (20%)"]
    nearly = np.zeros(2000, dtype=bool)
    nearly[:399] = nearly[-1] = True
    assert "finds >99%" in " ".join(recall_curves({"best": nearly}, "").axes[0].get_title().split())
    assert "nothing to find" in texts(recall_curves({"best": np.zeros(3, dtype=bool)}, ""))
    grey = recall_curves(curves, "", [errors, errors]).axes[0]
    assert len(grey.get_lines()) == 2 + len(figure.axes[0].get_lines())
    assert sum("each other" in str(line.get_label()) for line in grey.get_lines()) == 1


def test_errors_come_in_the_order_of_each_ranking() -> None:
    manifest = pd.DataFrame({"sample_id": range(4), "true_label": ["a", "b", "a", None]})
    suspects = pd.DataFrame(
        {"train_id": [1, 3, 0, 2], "label": ["a", "a", "a", "b"], "rank": [1, 2, 3, 4]}
    ).assign(loss=[0.5, 0.1, 2.0, 3.0])
    orders = errors_in_order(suspects, manifest)
    assert orders["most suspicious first"].tolist() == [True, False, True]
    assert orders["highest loss first"].tolist() == [True, False, True]
    assert errors_in_order(suspects, manifest.assign(true_label=None)) == {}
