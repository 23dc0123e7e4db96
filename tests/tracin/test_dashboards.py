"""Structure of dashboards and galleries: nothing overlaps, nothing empty goes unsaid."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from tests.tracin.test_figures import assert_apart, draw, texts
from tracin.crossref import appearances, confusion, image_table, most_confused
from tracin.crossruns import accuracies, cross_run_tables
from tracin.figures.galleries import detailed_images, mislabeled_candidates, top_images
from tracin.figures.overall import overall_dashboard
from tracin.figures.per_class import class_dashboards, file_stem
from tracin.figures.runs import runs_dashboard
from tracin.figures.style import save, short, tail

IMAGES, TESTS, K = 240, 80, 6


def names(count: int) -> list[str]:
    """Distinct names of 25 letters with what is awkward in file names and markup."""
    return [f'{i:02d} Cáne "nero" & d\'<acqua>zz'[:25] for i in range(count)]


def images(classes: int, mistakes: bool = True) -> pd.DataFrame:
    """The first class has no mistake."""
    index = np.arange(IMAGES)
    label = (index % classes).astype(np.int16)
    wrong = mistakes & (index % 7 == 0) & (label != 0)
    predicted = np.where(wrong, (label + 1) % classes, label).astype(np.int16)
    predictions = pd.DataFrame(
        {
            "sample_id": index,
            "split": np.where(index < TESTS, "test", "train"),
            "label_index": label,
            "predicted_index": predicted,
            "confidence": 0.75,
        }
    )
    manifest = pd.DataFrame(
        {
            "sample_id": index,
            "path": [f"è/{'nome lungo ' * 20}{i}.jpg" for i in index],
            "true_label": names(classes)[-1],
        }
    )
    return image_table(predictions, manifest, names(classes))


def topk() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    test = np.repeat(np.arange(TESTS), 2 * K)
    kind = np.tile(np.repeat(["proponent", "opponent"], K), TESTS)
    size = np.exp(rng.normal(size=len(test)))
    return pd.DataFrame(
        {
            "test_id": test,
            "kind": kind,
            "rank": np.tile(np.arange(1, K + 1), 2 * TESTS),
            "train_id": np.concatenate(
                [rng.choice(np.arange(TESTS, IMAGES), 2 * K, False) for _ in range(TESTS)]
            ),
            "influence": np.where(kind == "proponent", size, -size).astype(np.float32),
        }
    )


def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (IMAGES, 16, 16, 3), dtype=np.uint8)


def suspects(count: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "train_id": np.arange(count) + TESTS,
            "label": names(2)[0],
            "suggested_label": names(2)[1],
            "suggested_probability": 0.875,
            "suspicion": np.linspace(0.99, 0.1, count),
            "rank": np.arange(1, count + 1),
            "suspected": np.arange(count) < 2,
            "reasons": "; ".join(["a high loss in the last epochs of training"] * 6),
        }
    )


def drawn_texts(axes: Axes) -> Iterator[Text]:
    """Titles, axis labels and the names along the axes."""
    for text in (axes.title, axes.xaxis.label, axes.yaxis.label):
        if text.get_text() and axes.axison:
            yield text
    if axes.axison:
        low, high = sorted(axes.get_ylim())
        ticks = zip(axes.get_yticks(), axes.get_yticklabels(), strict=True)
        yield from (label for place, label in ticks if low <= place <= high and label.get_text())


def assert_readable(figure: Figure) -> None:
    canvas = draw(figure)
    assert_apart(canvas, [*figure.texts, *(t for axes in figure.axes for t in drawn_texts(axes))])


@pytest.mark.parametrize("classes", [2, 10, 40])
def test_overall_dashboard_is_readable(classes: int, tmp_path: Path) -> None:
    figure = overall_dashboard(images(classes), topk(), names(classes), 40)
    assert_readable(figure)
    matrix = next(axes for axes in figure.axes if axes.images)
    labels = [label.get_text() for label in matrix.get_xticklabels()]
    assert labels == [short(name, 26) for name in names(classes)]
    assert_apart(draw(figure), list(matrix.get_xticklabels()))
    save(figure, tmp_path / "a.svg")
    ElementTree.parse(tmp_path / "a.svg")


def test_of_many_classes_dashboards_show_those_with_the_most_mistakes() -> None:
    known, all_names = images(40), names(40)
    shown = [all_names[i] for i in most_confused(confusion(known, 40), 3)]
    figure = overall_dashboard(known, topk(), all_names, 3)
    assert_readable(figure)
    matrix = next(axes for axes in figure.axes if axes.images)
    assert [label.get_text() for label in matrix.get_yticklabels()] == [short(n, 26) for n in shown]
    assert "the 3 of 40 classes" in matrix.get_title()
    pages = [stem for stem, _ in class_dashboards(known, topk(), all_names, pixels(), 3)]
    assert pages == [file_stem(all_names.index(name), name) for name in shown]
    runs = {seed: known for seed in (0, 3)}
    tables = cross_run_tables(runs, {0: topk(), 3: topk()}, 20, 2)
    errors = runs_dashboard(tables, accuracies(runs), 2, 3).axes[0]
    assert "the worst 3 of 40 classes" in errors.get_title() and len(errors.get_yticks()) == 3
    nearly = runs_dashboard(tables, {0: 0.9999, 3: 1.0}, 2, 3)
    assert "mean 0.999" in " ".join(axes.get_title() for axes in nearly.axes)


@pytest.mark.parametrize("classes", [2, 40])
def test_class_dashboard_is_readable(classes: int) -> None:
    pages = class_dashboards(images(classes), topk(), names(classes), pixels(), 40)
    drawn = dict(itertools.islice(pages, 8))
    first = drawn["000-00-Cane-nero-d-acqua"]
    assert_readable(first)
    assert "0 of" in texts(first) and "(truly " in texts(first)
    legends = [axes.get_legend() for axes in first.axes]
    said = " ".join(t.get_text() for legend in legends if legend for t in legend.get_texts())
    assert "no mispredicted test image" in said
    assert "most often as" in texts(list(drawn.values())[7 % classes])


def test_every_class_has_a_page_of_its_own_name() -> None:
    stems = [stem for stem, _ in class_dashboards(images(2), topk().head(0), names(2), pixels(), 2)]
    assert stems == [file_stem(i, name) for i, name in enumerate(names(2))]
    hostile = ["../../etc", "CON", "", "猫", "a" * 300, "a/b\0\n{labels}", "A/B"]
    made = [file_stem(i, name) for i, name in enumerate(hostile)]
    assert len({stem.lower() for stem in made}) == len(hostile)
    assert all(len(s) < 50 and s.replace("-", "").isalnum() and s.isascii() for s in made)


def test_a_class_without_lists_says_so() -> None:
    _, page = next(class_dashboards(images(2), topk().head(0), names(2), pixels(), 2))
    assert "no test image with a list" in texts(page)
    assert "no dashboard" in texts(overall_dashboard(images(2), topk().head(0), names(2), 2))


@pytest.mark.parametrize("helpful", [True, False])
def test_top_images_and_their_pages(helpful: bool) -> None:
    known = images(40)
    counted = appearances(known, topk())
    figure = top_images(counted, known, pixels(), helpful, 9)
    assert len(figure.axes) == 9
    assert_readable(figure)
    assert ("lower the loss" if helpful else "raise the loss") in texts(figure)
    pages = list(detailed_images(counted, known, topk(), pixels(), helpful, 2))
    assert [stem[:3] for stem, _ in pages] == ["01_", "02_"]
    for stem, page in pages:
        assert f"#{stem[3:]}," in texts(page)
        assert_readable(page)


def test_no_helpful_image_is_said() -> None:
    known = images(2)
    none = appearances(known, topk()).head(0)
    assert "No training image is helpful" in texts(top_images(none, known, pixels(), True, 5))
    assert not list(detailed_images(none, known, topk(), pixels(), True, 5))


def test_candidates_say_why() -> None:
    truth = images(2)["true_label"]
    figure = mislabeled_candidates(suspects(7), truth, pixels(), 6)
    assert len(figure.axes) == 6
    assert_readable(figure)
    said = texts(figure)
    assert "suspicion 0.99" in said and "88%" in said and "(truly " in said
    assert "a high loss in the last epochs" in said and "2 are suspected" in said
    nearly = suspects(1).assign(suggested_probability=0.999)
    assert ">99%" in texts(mislabeled_candidates(nearly, truth, pixels(), 6))
    assert "No training label" in texts(mislabeled_candidates(suspects(0), truth, pixels(), 6))


@pytest.mark.parametrize(("classes", "mistakes"), [(2, True), (40, True), (2, False)])
def test_runs_dashboard_is_readable(classes: int, mistakes: bool) -> None:
    runs = {seed: images(classes, mistakes) for seed in (0, 3)}
    tables = cross_run_tables(runs, {0: topk(), 3: topk()}, 20, 2)
    figure = runs_dashboard(tables, accuracies(runs), 2, 40)
    assert figure.get_suptitle() == "What 2 runs agree on (seeds 0, 3)"
    assert_readable(figure)
    said = " ".join(text.get_text() for axes in figure.axes for text in axes.texts)
    assert ("No test image is" in said) is not mistakes


def test_names_are_cut_by_width_and_paths_from_the_left() -> None:
    assert short("猫" * 9, 18) == "猫" * 9
    assert short("猫" * 10, 18) == "猫" * 4 + "…" + "猫" * 4
    assert short("a\nb\x00", 9) == "a\ufffdb\ufffd"
    assert tail("x" * 300 + "/a.jpg", 9) == "…xx/a.jpg"
