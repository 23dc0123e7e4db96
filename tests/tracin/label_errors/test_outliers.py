"""The image that is unlike all others leads the list."""

import numpy as np
import pandas as pd

from tracin.label_errors.neighbours import nearest, read_neighbours, save_neighbours
from tracin.label_errors.outliers import outliers


def test_the_odd_one_leads_and_has_a_reason(tmp_path) -> None:
    rng = np.random.default_rng(0)
    features = np.zeros((201, 6), dtype=np.float32)
    features[:200, 0], features[200, 5] = 1.0, 1.0
    features += rng.normal(0, 0.1, features.shape).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    ids = np.arange(201)
    # More neighbours than the ten that count.
    save_neighbours(nearest(ids, features, 20), tmp_path / "neighbours.safetensors")
    neighbours = read_neighbours(tmp_path / "neighbours.safetensors")
    names = [f"{i}.png" for i in ids]
    manifest = pd.DataFrame({"sample_id": ids, "path": names, "label": "x"})
    table = outliers(neighbours, manifest, (ids == 200).astype(int), ["x", "y"])
    # And as many where fewer are asked for.
    ten = outliers(nearest(ids, features, 3), manifest, (ids == 200).astype(int), ["x", "y"])
    np.testing.assert_allclose(table["distance"], ten["distance"], rtol=1e-5)
    assert table["label"].tolist() == ["y"] + ["x"] * 200  # of the label set, not the manifest
    assert table["train_id"].iloc[0] == 200 and table["outlier"].tolist() == [True] + [False] * 200
    assert table["reason"].iloc[0].startswith("far from its ten") and table["reason"].iloc[1] == ""
