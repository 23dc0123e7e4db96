"""What several runs agree on, by hand-made runs."""

from pathlib import Path

import pandas as pd
import pytest

from tests.tracin.test_crossref import images, topk
from tracin.crossruns import (
    accuracies,
    class_error_rates,
    confusion_pairs,
    consistent_influences,
    cross_run_tables,
    influence_statistics,
    persistent_mispredictions,
    run_summary,
)
from tracin.results import read_runs


def right(table: pd.DataFrame, *ids: int) -> pd.DataFrame:
    """The table with some images predicted as labelled."""
    chosen = table.index.isin(ids)
    return table.assign(
        predicted=table["predicted"].where(~chosen, table["label"]), wrong=table["wrong"] & ~chosen
    )


def runs() -> dict[int, pd.DataFrame]:
    """Image 0 is wrong in all three runs, 1 in two; 2 never. Training images 3 and 5 in one."""
    third = right(images(), 1, 3, 5)
    third.loc[0, "predicted"] = "cat"
    return {0: images(), 1: right(images(), 3, 5), 7: third}


def lists() -> dict[int, pd.DataFrame]:
    turned = topk()
    turned.loc[turned["train_id"] == 4, "influence"] *= 100
    return {0: topk(), 1: topk(), 7: turned}


@pytest.mark.parametrize(("min_runs", "expected"), [(1, [0, 1, 5, 3]), (2, [0, 1]), (3, [0])])
def test_persistent_mispredictions(min_runs: int, expected: list[int]) -> None:
    table = persistent_mispredictions(runs(), min_runs)
    assert table["sample_id"].tolist() == expected
    first = table.iloc[0]
    assert (first["runs_wrong"], first["runs"]) == (3, 3)
    assert first["predicted"] == "bee in 2, cat in 1"


def test_consistent_influences_are_strong_in_enough_runs() -> None:
    table = consistent_influences(runs(), lists(), influential=1, min_runs=2)
    assert table["train_id"].tolist() == [5]
    assert list(table.loc[0, ["runs_influential", "runs"]]) == [2, 3]
    everything = consistent_influences(runs(), lists(), influential=9, min_runs=3)
    assert everything["train_id"].tolist() == [5, 4, 3, 6]
    effects = everything.set_index("train_id")["effect"]
    assert effects.to_dict() == {5: "helpful", 4: "helpful", 3: "harmful", 6: "helpful"}


def test_influence_statistics_have_a_row_per_run_and_kind() -> None:
    table = influence_statistics(runs(), lists())
    assert table["seed"].tolist() == [0, 0, 1, 1, 7, 7]
    first = table.iloc[0]
    assert (first["kind"], first["pairs"], first["max"]) == ("proponent", 6, 4.0)
    assert first["opponents_of_mispredicted"] == 0.5
    assert first["opponents_of_correct"] == 0.0


def test_confusions_count_runs_that_lack_them() -> None:
    table = confusion_pairs(runs()).set_index(["label", "predicted"])
    assert table.loc[("ant", "bee"), "mean_count"] == pytest.approx(2 / 3)
    assert list(table.loc[("ant", "bee"), ["runs_seen", "min_count", "max_count"]]) == [2, 0, 1]
    assert table.loc[("ant", "cat"), "share_of_label"] == pytest.approx(1 / 3)


def test_a_confusions_share_is_of_the_images_of_its_label() -> None:
    table = pd.DataFrame(
        {
            "split": "test",
            "label": ["ant"] * 4 + ["bee"],
            "predicted": ["bee"] + ["ant"] * 3 + ["bee"],
            "wrong": [True] + [False] * 4,
        }
    )
    assert confusion_pairs({0: table})["share_of_label"].tolist() == [1 / 4]


def test_class_error_rates() -> None:
    table = class_error_rates(runs()).set_index("label")
    assert table.index.tolist() == ["ant", "bee", "cat"]
    assert table["mean_error"].tolist() == pytest.approx([1, 2 / 3, 0])
    assert list(table.loc["bee", ["min_error", "max_error"]]) == [0, 1]


def test_the_text_says_how_many_runs() -> None:
    text = run_summary(cross_run_tables(runs(), lists(), 9, 2), runs(), 2)
    assert text.startswith("3 runs, seeds 0, 1, 7.")
    assert "mean 0.4444 (from 0.3333 to 0.6667)" in text
    assert "Wrong in at least 2 runs: 2 images, 2 of them test images, 0 training images." in text
    assert accuracies(runs())[7] == pytest.approx(2 / 3)


def test_the_text_says_neither_all_nor_none_of_what_is_not() -> None:
    one = images().loc[[0]]
    many = pd.concat([one] * 40_000, ignore_index=True).rename_axis("sample_id")
    run = right(many, 0)
    text = run_summary(cross_run_tables({0: run}, {0: topk()}, 9, 1), {0: run}, 1)
    label, test = one["label"].item(), "99.9% (99.9% to 99.9%) of 40,000 test images"
    assert f"{label}: {test}" in text
    assert "39,999 images, 39,999 of them test images" in text and "39,999.0 per run" in text


def test_removed_images_are_no_mistakes(tmp_path: Path) -> None:
    table, ids = images().reset_index(), images().index
    columns = ["sample_id", "split", "label_index", "predicted_index", "confidence"]
    table[columns].to_parquet(predictions := tmp_path / "predictions.parquet")
    table[["sample_id", "path", "true_label"]].to_parquet(manifest := tmp_path / "manifest.parquet")
    (classes := tmp_path / "classes.json").write_text('["ant", "bee", "cat"]')
    topk().to_parquet(lists := tmp_path / "topk.parquet")
    keep = pd.DataFrame({"sample_id": ids, "keep": ids != 3})
    keep.to_parquet(labels := tmp_path / "labels.parquet")
    read, _ = read_runs([0], [predictions], [lists], labels, manifest, classes)
    assert set(read[0].index) == set(ids) - {3}
    assert 3 not in set(persistent_mispredictions(read, 1)["sample_id"])


def test_runs_without_a_mistake() -> None:
    perfect = {seed: right(table, *table.index) for seed, table in runs().items()}
    tables = cross_run_tables(perfect, lists(), 9, 2)
    assert tables["persistent_mispredictions"].empty
    assert tables["confusion_pairs"].empty
    assert (tables["class_error_rates"]["mean_error"] == 0).all()
    assert "Wrong in at least 2 runs: 0 images" in run_summary(tables, perfect, 2)
