"""What the default run finds, with loose floors, and that its files hold what the docs say."""

import json
import re
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pandas as pd
import torch
import yaml
from PIL import Image

from tests.conftest import snakemake
from tracin.review.simulation import read_orders, read_simulation
from tracin.topk import as_arrays

RUN = Path("results/original/seed0")


def test_accuracy_and_planted_errors(demo: Path) -> None:
    result = json.loads((demo / RUN / "evaluation.json").read_text())
    assert result["accuracy"] >= 0.93
    manifest = pd.read_parquet(demo / "results/dataset/manifest.parquet")
    predictions = pd.read_parquet(demo / RUN / "predictions.parquet")
    train = (manifest["split"] == "train").to_numpy()
    wrong = (manifest["label"] != manifest["true_label"]).to_numpy()
    assert wrong.sum() == round(0.1 * train.sum()) and not wrong[~train].any()
    own = [
        p[i] for p, i in zip(predictions["probabilities"], predictions["label_index"], strict=True)
    ]
    ranked = np.argsort(np.where(train, np.array(own), 2.0), kind="stable")
    inspected = ranked[: train.sum() // 5]
    assert wrong[inspected].sum() >= 0.8 * wrong.sum()


def test_each_image_of_a_split_appears_once(demo: Path) -> None:
    manifest = pd.read_parquet(demo / "results/dataset/manifest.parquet")
    assert manifest["sample_id"].tolist() == list(range(1797))
    assert manifest.groupby("sha256")["split"].nunique().max() == 1
    topk = pd.read_parquet(demo / RUN / "influence/topk.parquet")
    test = manifest.loc[manifest["split"] == "test", "sample_id"]
    train = manifest.loc[manifest["split"] == "train", "sample_id"]
    assert sorted(topk["test_id"].unique()) == sorted(test)
    assert set(topk["train_id"]) <= set(train)
    assert len(topk) == len(test) * 2 * 20
    own = pd.read_parquet(demo / RUN / "influence/self.parquet")
    assert own["train_id"].tolist() == train.tolist()


def test_arrays_and_table_agree(demo: Path) -> None:
    folder = demo / RUN / "influence"
    scores, indices = as_arrays(pd.read_parquet(folder / "topk.parquet"))
    np.testing.assert_array_equal(scores, np.load(folder / "influence_scores.npy"))
    np.testing.assert_array_equal(indices, np.load(folder / "influence_indices.npy"))
    assert (np.diff(scores[:, :20]) <= 0).all() and (np.diff(scores[:, 20:]) >= 0).all()


def test_mispredictions_have_the_published_columns(demo: Path) -> None:
    table = pd.read_csv(demo / RUN / "false_predictions.csv")
    headings = "Image Path,True Label,Predicted Label,Confidence,Top-3 Predictions,Split"
    assert list(table.columns) == headings.split(",")
    assert (table["True Label"] != table["Predicted Label"]).all()


def test_figures_and_report(demo: Path) -> None:
    whole = (demo / "results/original/figures").glob("*.png")
    figures = sorted([*(demo / RUN / "figures").rglob("*.png"), *whole])
    assert len(figures) == 9 + 10 + 2 * 10
    for path in figures:
        assert min(Image.open(path).size) > 300
    assert {path.stem for path in (demo / RUN / "figures").glob("*.svg")} == {
        "confusion_matrix",
        "learning_curves",
        "overall_dashboard",
    }
    snakemake(demo, "--report", "report.html")
    text = (demo / "report.html").read_text(encoding="utf-8")
    for path in figures:
        assert f'"{path.relative_to(demo)}": {{"name"' in text
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=.https?:", text)
    snakemake(demo, "--report", "report.zip")
    with ZipFile(demo / "report.zip") as archive:
        names = {Path(name).name for name in archive.namelist()}
    assert names >= {path.name for path in figures} | {
        "report.html",
        "summary.html",
        "timings.html",
    }


def test_tables_of_mistakes_agree(demo: Path) -> None:
    folder = demo / RUN / "diagnosis"
    analysis = pd.read_parquet(folder / "misprediction_influence_analysis.parquet")
    wrong = pd.read_parquet(demo / RUN / "mispredictions.parquet")
    tests = wrong.loc[wrong["split"] == "test", "sample_id"]
    assert sorted(analysis["test_id"].unique()) == sorted(tests)
    assert len(analysis) == len(tests) * 2 * 20
    crossed = pd.read_parquet(folder / "misprediction_cross_analysis.parquet")
    assert set(crossed["train_id"]) == set(analysis["train_id"]) & set(wrong["sample_id"])
    assert len(pd.read_csv(folder / "appearances.csv")) == len(
        pd.read_parquet(folder / "appearances.parquet")
    )


def test_timings_of_every_heavy_rule(demo: Path) -> None:
    table = pd.read_parquet(demo / "results/original/timings.parquet").set_index("rule")
    once = [
        "ingest",
        "near_duplicates",
        "train",
        "predict",
        "views",
        "self_influence",
        "topk",
        "signals",
        "suspects",
        "neighbours",
        "cross_reference",
        "plot_overall",
        "plot_classes",
    ]
    expected = dict.fromkeys(once, 1) | {"gradients": 4 * (2 + 1 + 1), "tile": 6, "merge": 3}
    assert table["jobs"].to_dict() == expected
    assert table["seconds"].is_monotonic_decreasing and table["share"].sum() > 0.99
    assert table["peak_memory_mb"].max() > 200
    assert (table["longest_seconds"] <= table["seconds"]).all()
    assert not (demo / RUN / "training_state").exists()


def test_the_run_ends_with_its_summary(demo: Path) -> None:
    summary = json.loads((demo / "results/original/summary.json").read_text(encoding="utf-8"))
    result = json.loads((demo / RUN / "evaluation.json").read_text())
    assert summary["runs"][0]["accuracy"] == result["accuracy"]
    assert len(summary["most_harmful"]) == 5
    (demo / RUN / "figures/top_helpful_images.png").unlink()
    (demo / "small.yaml").write_text("compute: {batch_size: 128}")
    options = ("--configfile", "small.yaml", "--config", "compute={device: cpu}")
    output = snakemake(demo, "--cores", "1", *options)
    assert all(line in output for line in summary["short"])
    own = """--configfile small.yaml --config 'compute={"device": "cpu"}'"""
    for step in summary["next_steps"]:
        assert f"{step['do']}: {step.get('open') or step['run'] + ' ' + own}\n" in output
    assert f"Every other command of this run ends so too: {own}\n" in output


def test_data_that_moved_away_is_not_taken_for_other_data(demo: Path) -> None:
    """Else the decoded images would be deleted before anybody sees that there are no new ones."""
    wrong = "dataset={source: folder, path: nowhere}"
    for arguments in (["-n"], ["--cores", "1"]):
        output = snakemake(demo, *arguments, "--config", wrong, check=False)
        assert "dataset.path: there is no folder 'nowhere'" in output
    assert (demo / "results/dataset/pixels.npy").exists()


def test_a_review_can_be_simulated_from_the_results_and_their_settings(demo: Path) -> None:
    config = yaml.safe_load(Path("config.yaml").read_text(encoding="utf-8"))
    simulation = read_simulation(config, demo / "results", torch.device("cpu"))
    planted = int((simulation.noisy.labels != simulation.truth.labels).sum())
    assert planted == round(0.1 * len(simulation.noisy))
    assert simulation.recipe.epochs == config["train"]["epochs"]
    first = read_orders(demo / "results")["suspects"][:planted]
    wrong = simulation.noisy.ids[simulation.noisy.labels != simulation.truth.labels]
    assert np.isin(wrong, first).mean() > 0.9
