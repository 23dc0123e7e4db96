"""The workflow on images that are not the demo's."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image
from safetensors.torch import save_file

from tests.conftest import CORES, ROOT, snakemake
from tests.rules.test_plan import jobs
from tracin.label_errors.votes import read_votes
from tracin.model import Architecture, build_model

PHOTOGRAPHS = ROOT.parent / "shared" / "data" / "cifar10n-animals"


@pytest.mark.skipif(not PHOTOGRAPHS.exists(), reason=f"no photographs at {PHOTOGRAPHS}")
def test_photographs_by_manifest(workflow: Path) -> None:
    """A few hundred photographs with real label errors, by a config file alone, with folds."""
    table = pd.read_csv(PHOTOGRAPHS / "labels.csv")
    some = pd.concat([part.head(200) for _, part in table.groupby("split")])
    source = workflow / "photographs"
    source.mkdir()
    for path in some["path"]:
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PHOTOGRAPHS / path, source / path)
    some.to_csv(source / "labels.csv", index=False)
    overlay = {
        "dataset": {"source": "manifest", "path": "photographs/labels.csv"},
        "train": {"epochs": 2, "checkpoint_every": 1, "augmentation": {"horizontal_flip": True}},
        "influence": {"checkpoints": 2, "top_k": 180, "shards": {"train": 1, "val": 1, "test": 1}},
        "label_errors": {"folds": 2, "random_views": 1},
    }
    (workflow / "overlay.yaml").write_text(yaml.safe_dump(overlay))
    # Figures and pages are drawn of other data sets in other tests.
    results = ["seed0/evaluation.json", "seed0/influence/topk.parquet"]
    targets = [f"results/original/{name}" for name in (*results, "label_errors/suspects.parquet")]
    options = ("--cores", CORES, "--configfile", "overlay.yaml")
    snakemake(workflow, *options, "--", *targets)
    manifest = pd.read_parquet(workflow / "results/dataset/manifest.parquet")
    assert manifest["split"].value_counts().to_dict() == {"test": 200, "train": 180, "val": 20}
    truth = some.set_index("path")["true_label"]
    assert (manifest.set_index("path")["true_label"] == truth.loc[manifest["path"]]).all()
    run = workflow / "results/original/seed0"
    result = json.loads((run / "evaluation.json").read_text())
    assert result["planted_noise"] == 0 and result["images"] == 200
    assert len(pd.read_parquet(run / "influence/topk.parquet")) == 200 * 2 * 180
    suspects = pd.read_parquet(workflow / "results/original/label_errors/suspects.parquet")
    assert len(suspects) == 180 and suspects["loss_out_of_fold"].between(0, 28).all()
    for fold in range(2):
        run = workflow / f"results/original-fold{fold}/seed0"
        votes = read_votes(run / "label_errors/votes.safetensors")
        assert votes.unseen.sum() == 90 and np.isfinite(votes.output).all()


def messy_folder(root: Path) -> None:
    """Two classes of twelve images under strange names, and nine entries that are none."""
    random = np.random.default_rng(0)
    for name in ('it\'s a "cat"', "line\nbreak"):
        (root / name).mkdir(parents=True)
        for number in range(12):
            pixels = random.integers(0, 256, (9, 9, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"{number}.png")
    cat = root / 'it\'s a "cat"'
    (cat / "0.png").rename(cat / os.fsdecode(b"caf\xe9 \xf0\x9f\x90\xb1.png"))
    (cat / "1.png").rename(cat / f"{'x' * 251}.png")
    (cat / "2.png").rename(cat / "=1+1;$(touch pwned).png")
    (root / "empty class").mkdir()
    (root / "notes.txt").write_text("no image")
    (cat / "zero.jpg").touch()
    (cat / "text.jpg").write_text("no image")
    (cat / "cut.png").write_bytes((cat / "3.png").read_bytes()[:100])
    (cat / "secret.png").symlink_to("/etc/passwd")
    (cat / "loop.png").symlink_to("loop.png")
    (cat / "up").symlink_to("..")
    os.mkfifo(cat / "fifo.png")


def test_a_messy_folder(workflow: Path) -> None:
    """What can be read is, the rest is listed with its reason, and too much of it stops."""
    messy_folder(workflow / "raw")
    overlay: dict = {"dataset": {"source": "folder", "path": "raw", "max_rejected": 0.3}}
    (workflow / "overlay.yaml").write_text(yaml.safe_dump(overlay))
    target = ("results/labels/original.parquet", "--configfile", "overlay.yaml")
    snakemake(workflow, "--cores", "1", *target)
    dataset = workflow / "results/dataset"
    assert json.loads((dataset / "classes.json").read_text()) == ['it\'s a "cat"', "line\nbreak"]
    names = {Path(path).name for path in pd.read_parquet(dataset / "manifest.parquet")["path"]}
    assert {r"caf\xe9 🐱.png", f"{'x' * 251}.png", "=1+1;$(touch pwned).png"} < names
    assert len(pd.read_parquet(dataset / "manifest.parquet")) == 24
    rejected = pd.read_csv(dataset / "rejected.csv", index_col="path")["reason"]
    assert {
        Path(str(path)).name: str(reason).split(":")[0] for path, reason in rejected.items()
    } == {
        "empty class": "the class folder holds no file",
        "notes.txt": "lies in no class folder",
        "zero.jpg": "the file is empty",
        "text.jpg": "no image that is read here (JPEG, PNG, BMP, GIF, WEBP, TIFF)",
        "cut.png": "damaged image",
        "secret.png": "the link leads out of the data set's folder",
        "loop.png": "the file can't be read",
        "up": "the link leads back to a folder above it",
        "fifo.png": "no regular file but a folder, FIFO, socket or device",
    }
    assert jobs(snakemake(workflow, "-n", *target)) == {}
    # Without its --configfile a command would put the demo in its place.
    output = snakemake(workflow, "--cores", "1", target[0], check=False)
    assert "results/ holds another data set than the demo's digits" in output
    assert len(pd.read_parquet(dataset / "manifest.parquet")) == 24
    shutil.copyfile(workflow / "raw/line\nbreak/0.png", workflow / "raw/line\nbreak/1.png")
    assert "ingest" in jobs(snakemake(workflow, "-n", *target))
    overlay["dataset"]["max_rejected"] = 0.05
    (workflow / "overlay.yaml").write_text(yaml.safe_dump(overlay))
    output = snakemake(workflow, "--cores", "1", *target, check=False)
    assert "Error: 9 of 33 files had to be left out, more than the accepted share 0.05:" in output
    assert "\n  1: the file is empty (" in output and "Traceback" not in output
    assert len(pd.read_csv(workflow / "results/logs/dataset/rejected.csv")) == 9
    assert (workflow / "results/labels/original.parquet").exists()


def test_a_misspelt_layer_is_refused_before_training(workflow: Path) -> None:
    (workflow / "overlay.yaml").write_text("influence: {layers: [layer4.7]}")
    best = "results/original/seed0/best.safetensors"
    output = snakemake(workflow, "--cores", "1", best, "--configfile", "overlay.yaml", check=False)
    assert "influence.layers: 'layer4.7' holds no convolution" in output
    assert "epoch 1" not in output and "Traceback" not in output
    assert (workflow / "results/labels/original.parquet").exists()


def test_another_file_of_weights_under_the_same_name_is_read(workflow: Path) -> None:
    config = yaml.safe_load((workflow / "config.yaml").read_text())["model"]
    facts = Architecture(config["architecture"], classes=2, stem=config["stem"])
    weights = workflow / "mine.safetensors"
    save_file(build_model(facts).state_dict(), weights)
    (workflow / "overlay.yaml").write_text(f"model: {{weights: {weights.name}}}")
    target = ("results/weights/backbone.safetensors", "--configfile", "overlay.yaml")
    snakemake(workflow, "--cores", "1", *target)
    assert "head in it (fc) is left out" in (workflow / "results/logs/weights.log").read_text()
    assert jobs(snakemake(workflow, "-n", *target)) == {}
    save_file(build_model(facts).state_dict(), weights)
    assert jobs(snakemake(workflow, "-n", *target)) == {"weights": 1}
