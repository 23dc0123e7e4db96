"""Wrong predictions as tables, and the evaluation of a split, on a case worked by hand."""

import numpy as np
import pandas as pd
import pytest

from tracin.mistakes import evaluation, mispredictions

CLASSES = ["ant", "bee", "cat"]
PREDICTIONS = pd.DataFrame(
    {
        "sample_id": [0, 1, 2, 3],
        "split": ["test", "test", "test", "train"],
        "label_index": [0, 0, 1, 2],
        "predicted_index": [0, 1, 1, 0],
        "confidence": [0.7, 0.6, 0.5, 0.9],
        "probabilities": [
            np.array([0.7, 0.2, 0.1]),
            np.array([0.25, 0.6, 0.15]),
            np.array([0.3, 0.5, 0.2]),
            np.array([0.9, 0.0, 0.1]),
        ],
    }
)
MANIFEST = pd.DataFrame({"sample_id": [0, 1, 2, 3], "path": [f"{i}.png" for i in range(4)]})


def test_the_most_confident_mistake_comes_first() -> None:
    table = mispredictions(PREDICTIONS, MANIFEST, CLASSES)
    assert table["path"].tolist() == ["3.png", "1.png"]
    assert (table["label"][0], table["predicted"][0]) == ("cat", "ant")
    assert table["top3"][1] == "bee 0.600; ant 0.250; cat 0.150"


def test_means_are_of_the_classes_with_images() -> None:
    found = evaluation(PREDICTIONS, CLASSES)
    assert found["images"] == 3 and found["accuracy"] == pytest.approx(2 / 3)
    assert found["loss"] == pytest.approx(-np.log([0.7, 0.25, 0.5]).mean())
    assert "cat" not in found["per_class"]
    assert found["per_class"]["macro avg"]["recall"] == pytest.approx(0.75)
    assert found["confusion_matrix"] == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]
