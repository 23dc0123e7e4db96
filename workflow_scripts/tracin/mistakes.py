"""Wrong predictions as tables, and the evaluation of the test split."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import classification_report, confusion_matrix


def mispredictions(
    predictions: pd.DataFrame, manifest: pd.DataFrame, classes: list[str]
) -> pd.DataFrame:
    """One row per wrong prediction, most confident first.

    Columns sample_id, split, path, label, predicted, confidence, top3 ("cat 0.71; dog 0.20; ...").
    """
    joined = predictions.merge(manifest[["sample_id", "path"]], on="sample_id", validate="1:1")
    wrong = joined[joined["label_index"] != joined["predicted_index"]]
    wrong = wrong.sort_values(["confidence", "sample_id"], ascending=[False, True])
    names = np.array(classes, dtype=object)
    return pd.DataFrame(
        {
            "sample_id": wrong["sample_id"],
            "split": wrong["split"],
            "path": wrong["path"],
            "label": names[wrong["label_index"]],
            "predicted": names[wrong["predicted_index"]],
            "confidence": wrong["confidence"],
            "top3": [top_classes(p, classes) for p in wrong["probabilities"]],
        }
    ).reset_index(drop=True)


def top_classes(probabilities: np.ndarray, classes: list[str], count: int = 3) -> str:
    """The `count` most probable classes with their probabilities, in words."""
    order = np.argsort(-probabilities, kind="stable")[:count]
    return "; ".join(f"{classes[i]} {probabilities[i]:.3f}" for i in order)


def evaluation(
    predictions: pd.DataFrame, classes: list[str], split: str = "test"
) -> dict[str, Any]:
    """Accuracy, mean negative log-likelihood, per-class report and confusion matrix of a split.

    The report, and its means, are of the classes that the split has images of.
    """
    rows = predictions[predictions["split"] == split]
    labels, predicted = rows["label_index"].to_numpy(), rows["predicted_index"].to_numpy()
    indices = list(range(len(classes)))
    present = np.unique(labels).tolist()
    probabilities = np.stack(rows["probabilities"].to_list())
    own = probabilities[np.arange(len(labels)), labels]
    return {
        "split": split,
        "images": len(rows),
        "accuracy": float((labels == predicted).mean()),
        "loss": float(-np.log(np.maximum(own, np.finfo(np.float32).tiny)).mean()),
        "classes": classes,
        "per_class": classification_report(
            labels,
            predicted,
            labels=present,
            target_names=[classes[i] for i in present],
            output_dict=True,
            zero_division=0.0,
        ),
        "confusion_matrix": confusion_matrix(labels, predicted, labels=indices).tolist(),
    }
