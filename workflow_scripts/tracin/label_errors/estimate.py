"""How many labels are wrong, between which classes, and how far down the list to look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from cleanlab.count import compute_confident_joint, estimate_joint

from tracin.label_errors import signals


def joint_shares(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Estimated share of all images that have label i and whose true class is j: float [C, C].

    The confident joint, calibrated to the class sizes (Northcutt, Jiang and Chuang, JAIR 2021,
    section 3.1), from probabilities [n, C] and given labels [n], by cleanlab.
    """
    unit = probabilities / probabilities.sum(axis=1, keepdims=True, dtype=np.float64)
    counts = compute_confident_joint(labels, unit, calibrate=False)
    return np.asarray(estimate_joint(labels, unit, confident_joint=counts), dtype=float)


def off_diagonal(shares: np.ndarray) -> np.ndarray:
    """The same with a diagonal of zeros: the wrong labels."""
    return shares * (1.0 - np.eye(len(shares)))


def expected_precision(shares: np.ndarray, held_out: np.ndarray, labels: np.ndarray) -> float:
    """Expected share of wrong labels among the most suspicious, as many as there are wrong ones.

    Nobody knows which labels are wrong, but on images that training never saw a wrong label can
    be planted: the loss of each validation image is taken under its given label and under the
    wrong labels that `shares` [C, C] makes likely for its class. If the share s of the given labels
    is above some loss, and the share r of the planted ones, then wrong labels that make up s of
    all are found with precision r.

    Args:
        held_out: Probabilities [m, C] of the validation images, and `labels` [m] their labels.
    """
    planted = off_diagonal(shares)
    wrong = planted.sum()
    if wrong == 0.0:
        return 0.0
    rows = np.arange(len(labels))
    losses = -signals.log(held_out)
    threshold = np.quantile(losses[rows, labels], 1.0 - wrong)
    sizes = np.bincount(labels, minlength=len(shares))
    weights = planted[:, labels].T / sizes[labels][:, None]  # [m, C]: planted label by image
    return float((weights * (losses > threshold)).sum() / weights.sum())


def estimate(
    shares: np.ndarray, images: int, precision: float, classes: Sequence[str]
) -> dict[str, Any]:
    """What estimate.json says: number, share, suggested cut, expected precision, class pairs.

    The suggested cut is the estimated number of wrong labels among `images`.
    """
    counts = off_diagonal(shares) * images
    pairs = [
        {"label": classes[i], "suggested_label": classes[j], "count": round(float(counts[i, j]))}
        for i, j in zip(*np.nonzero(np.rint(counts)), strict=True)
    ]
    return {
        "images": images,
        "estimated_errors": round(float(counts.sum())),
        "estimated_share": float(counts.sum()) / images,
        "suggested_cut": round(float(counts.sum())),
        "expected_precision": precision,
        "pairs": sorted(pairs, key=lambda pair: -pair["count"]),
    }
