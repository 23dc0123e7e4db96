"""What the default run finds, with loose floors, and that its files hold what the docs say."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from tests.conftest import snakemake
from tracin.influence import as_arrays

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
    figures = sorted((demo / RUN / "figures").glob("*.png"))
    assert len(figures) == 4
    for path in figures:
        assert min(Image.open(path).size) > 300
    snakemake(demo, "--report", "report.html")
    assert (demo / "report.html").stat().st_size > 100_000
