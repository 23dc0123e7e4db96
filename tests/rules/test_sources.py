"""The workflow on images that are not the demo's."""

import json
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tests.conftest import ROOT, snakemake

PHOTOGRAPHS = ROOT.parent / "shared" / "data" / "cifar10n-animals"


@pytest.mark.skipif(not PHOTOGRAPHS.exists(), reason=f"no photographs at {PHOTOGRAPHS}")
def test_photographs_by_manifest(workflow: Path) -> None:
    """A few hundred photographs with real label errors, by a config file alone."""
    table = pd.read_csv(PHOTOGRAPHS / "labels.csv")
    some = pd.concat([part.head(200) for _, part in table.groupby("split")])
    source = workflow / "photographs"
    source.mkdir()
    (source / "images").symlink_to(PHOTOGRAPHS / "images")
    some.to_csv(source / "labels.csv", index=False)
    overlay = {
        "dataset": {"source": "manifest", "path": "photographs/labels.csv"},
        "train": {"epochs": 2, "checkpoint_every": 1, "augmentation": {"horizontal_flip": True}},
        "influence": {"checkpoints": 2, "top_k": 500, "shards": {"train": 1, "val": 1, "test": 1}},
    }
    (workflow / "overlay.yaml").write_text(yaml.safe_dump(overlay))
    snakemake(workflow, "--cores", "all", "--configfile", "overlay.yaml")
    manifest = pd.read_parquet(workflow / "results/dataset/manifest.parquet")
    assert manifest["split"].value_counts().to_dict() == {"test": 200, "train": 180, "val": 20}
    truth = some.set_index("path")["true_label"]
    assert (manifest.set_index("path")["true_label"] == truth.loc[manifest["path"]]).all()
    run = workflow / "results/original/seed0"
    result = json.loads((run / "evaluation.json").read_text())
    assert result["planted_noise"] == 0 and result["images"] == 200
    assert len(pd.read_parquet(run / "influence/topk.parquet")) == 200 * 2 * 180
