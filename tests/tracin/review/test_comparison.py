"""Before and after: exact tests, honest verdicts, and which correction moved what."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from tracin.figures.comparison import comparison_figure
from tracin.review.comparison import (
    Pair,
    changed_images,
    compare,
    corrections_and_changes,
    judge,
    mcnemar,
    mean_interval,
    pair_up,
    summary,
)

CLASSES = ["cat", "dog"]
MANIFEST = pd.DataFrame({"sample_id": range(300), "path": [f"{i}.png" for i in range(300)]})
CORRECTIONS = pd.DataFrame(
    {
        "sample_id": [7, 8, 9],
        "path": ["7.png", "8.png", "9.png"],
        "action": ["relabel", "remove", "keep"],
        "label": ["dog", "", "cat"],
        "previous_label": "cat",
    }
)


def predictions(wrong: set[int], count: int = 200) -> pd.DataFrame:
    """`count` test images from id 100 of alternating classes, those in `wrong` misclassified."""
    labels = np.arange(count) % 2
    miss = np.isin(np.arange(count), list(wrong))
    predicted = np.where(miss, 1 - labels, labels)
    return pd.DataFrame(
        {
            "sample_id": np.arange(count) + 100,
            "split": "test",
            "label_index": labels,
            "predicted_index": predicted,
            "probabilities": [[0.9, 0.1] if p == 0 else [0.1, 0.9] for p in predicted],
        }
    )


def pairs(*wrong: tuple[set[int], set[int]]) -> list[Pair]:
    return [
        pair_up(seed, predictions(before), predictions(after))
        for seed, (before, after) in enumerate(wrong)
    ]


@pytest.mark.parametrize(
    ("fixed", "broken", "p"), [(0, 0, 1.0), (6, 0, 2 / 64), (0, 6, 2 / 64), (3, 1, 10 / 16)]
)
def test_mcnemar_is_the_exact_binomial_test(fixed: int, broken: int, p: float) -> None:
    assert mcnemar(fixed, broken) == pytest.approx(p)


def test_interval_is_students() -> None:
    low, high = mean_interval(np.array([1.0, 2.0, 3.0]))
    assert (low, high) == pytest.approx((2 - 4.302653 / 3**0.5, 2 + 4.302653 / 3**0.5))
    assert mean_interval(np.array([0.5, 0.5])) == (0.5, 0.5)


def test_one_seed_is_judged_by_mcnemar() -> None:
    gain = judge(pairs((set(range(12)), {3})))
    assert (gain.fixed, gain.broken, gain.interval_seeds) == (11, 0, None)
    assert gain.sentence.startswith("A gain beyond noise")
    assert judge(pairs(({3}, set(range(12))))).sentence.startswith("A loss beyond noise")
    small = judge(pairs(({0, 1, 2, 3, 4}, set())))
    assert small.after > small.before and small.sentence.startswith("No gain beyond noise")


def test_several_seeds_must_agree() -> None:
    many = set(range(12))
    assert judge(pairs((many, {0}), (many, {1}), (many, set()))).sentence.startswith("A gain")
    mixed = judge(pairs((many, {0}), ({0}, many), (many, set())))
    assert mixed.sentence.startswith("No gain") and mixed.interval_seeds is not None
    assert mixed.interval_seeds[0] < 0 < mixed.interval_seeds[1]
    # Equal over the seeds, but only one image of 200: other test images might not show it.
    assert judge(pairs(({0}, set()), ({0}, set()))).sentence.startswith("No gain")


def test_the_table_holds_seeds_classes_and_means() -> None:
    table = compare(pairs(({0, 1, 2}, {1}), ({0}, {0})), CLASSES)
    assert len(table) == 3 * 2 * 3
    one = table[(table["measure"] == "accuracy") & (table["class"] == "cat")].set_index("seed")
    assert one["before"].tolist() == pytest.approx([0.98, 0.99, 0.985])
    assert one["difference"].tolist() == pytest.approx([0.02, 0.0, 0.01])
    low, high = one["low"].to_numpy(), one["high"].to_numpy()
    assert np.isnan(low[:2]).all() and low[2] < 0.01 < high[2]
    losses = table[(table["measure"] == "loss") & (table["class"] == "") & (table["seed"] == 0)]
    expected = -np.log([0.9] * 197 + [0.1] * 3).mean()
    assert losses["before"].item() == pytest.approx(expected)


def test_other_test_images_are_refused() -> None:
    with pytest.raises(ValueError, match="Seed 3: the test splits"):
        pair_up(3, predictions(set()), predictions(set(), 199))


def test_changes_are_joined_with_the_corrections_behind_them() -> None:
    changes = changed_images(pairs(({0, 1}, {1, 2})), MANIFEST, CLASSES)
    assert changes[
        ["change", "path", "label", "predicted_before", "predicted_after"]
    ].to_numpy().tolist() == [
        ["fixed", "100.png", "cat", "dog", "cat"],
        ["broken", "102.png", "cat", "cat", "dog"],
    ]
    topk = pd.DataFrame(
        {
            "test_id": [100, 100, 100, 101, 102],
            "kind": "opponent",
            "rank": 1,
            "train_id": [9, 8, 7, 7, 50],
            "influence": [-9.0, -1.0, -3.0, -2.0, -5.0],
        }
    )
    moved = corrections_and_changes(changes, {0: topk}, CORRECTIONS)
    assert moved[["test_path", "train_path", "action"]].to_numpy().tolist() == [
        ["100.png", "7.png", "relabel"],
        ["100.png", "8.png", "remove"],
    ]


@pytest.mark.parametrize("count", [1, 3])
def test_summary_and_figure_say_the_verdict(count: int) -> None:
    compared = pairs(*[({0, 1, 2}, {s}) for s in range(count)])
    verdict, table = judge(compared), compare(compared, CLASSES)
    text = summary(verdict, compared, CORRECTIONS)
    assert text.startswith("No gain beyond noise")
    assert "1 relabelled, 1 removed, 1 kept" in text
    assert ("another one may move" in text) == (count == 1)
    figure = comparison_figure(table, verdict)
    FigureCanvasAgg(figure).draw()
    assert verdict.sentence in " ".join(figure.get_suptitle().split())


def test_nearly_all_right_is_not_said_to_be_all() -> None:
    one = [pair_up(0, predictions({0}, 30_000), predictions({1}, 30_000))]
    text = summary(judge(one), one, CORRECTIONS)
    assert "Accuracy on 30,000 untouched test images: 0.9999 before, 0.9999 after" in text
    figure = comparison_figure(compare(one, CLASSES), judge(one))
    assert "accuracy 0.999 before, 0.999 after" in figure.get_suptitle()


def test_figure_of_many_classes_shows_those_that_changed_most() -> None:
    labels = np.arange(200) % 40
    table = predictions(set()).assign(label_index=labels, predicted_index=labels)
    table["probabilities"] = pd.Series([np.full(40, 1 / 40)] * 200)
    after = table.assign(predicted_index=np.where(labels == 39, 0, labels))
    compared = [pair_up(0, table, after)]
    figure = comparison_figure(compare(compared, [f"c{i:02}" for i in range(40)]), judge(compared))
    names = [label.get_text() for label in figure.axes[1].get_yticklabels()]
    assert len(names) == 20 and names[-1] == "c39 (5)"
