"""How many labels are wrong, between which classes, and how far down the list to look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from cleanlab.count import compute_confident_joint
from scipy.special import softmax

from tracin.label_errors import signals

LEANING = 1.96**2  # images: what a 95% interval leans on beside those seen (Wilson, JASA 1927)


def weight(memorised: float) -> float:
    """How much is left to a probe on a network's features, and to the transitions between classes.

    Features that have learned wrong labels by heart repeat them, and a joint that is estimated from
    such votes lacks most of the wrong ones. `memorised` is that of `votes.Votes`.
    """
    return (1.0 - memorised) ** 2


def joint_shares(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Estimated share of all images that have label i and whose true class is j: float [C, C].

    The confident joint, counted by cleanlab and calibrated to the class sizes (Northcutt, Jiang and
    Chuang, JAIR 2021, section 3.1), from probabilities [n, C] and given labels [n]. Cells are not
    rounded to whole images, as cleanlab does: with many classes most wrong labels are in cells of
    one image, which calibration makes 1.2 or 1.4.
    """
    unit = probabilities / probabilities.sum(axis=1, keepdims=True, dtype=np.float64)
    counts = compute_confident_joint(labels, unit, calibrate=False)
    sizes = np.bincount(labels, minlength=len(counts))
    return _by_row(counts) * sizes[:, None] / len(labels)


def shares_by(products: np.ndarray, labels: np.ndarray, by: float) -> np.ndarray:
    """The same from products of votes, as logarithms [n, C], and given labels [n].

    Their geometric mean is taken, where a network's vote counts once and that of a probe as much
    as `by` says: the product would be too sure of itself to count.
    """
    return joint_shares(softmax(products / (1.0 + by), axis=1), labels)


def carried_over(
    shares: np.ndarray,
    seen: np.ndarray,
    otherwise: np.ndarray,
    given: np.ndarray,
    labels: np.ndarray,
) -> np.ndarray:
    """The joint of other images as one of these: float [C, C].

    A label is as often wrong as there, whatever share of the images its class has here. What a
    review has put right is no longer wrong. A few images of a class say little of it: `LEANING`
    more are thought beside them, with labels as often wrong as those of all classes together.

    Args:
        shares: The joint of the others, and `seen` [C] how many have each label.
        otherwise: A joint whose wrong labels say which classes the ones thought are of.
        given: Labels [n] before a review, and `labels` [n] those of now.
    """
    wrong = off_diagonal(shares).sum()
    beside = wrong * _by_row(off_diagonal(otherwise), otherwise=1.0 - np.eye(len(shares)))
    beside += (1.0 - wrong) * np.eye(len(shares))
    rates = seen[:, None] * _by_row(shares, otherwise=beside) + LEANING * beside
    counts = _by_row(rates) * np.bincount(given, minlength=len(shares))[:, None]
    changed = given != labels
    np.subtract.at(counts, (given[changed], labels[changed]), 1.0)
    np.add.at(counts, (labels[changed], labels[changed]), 1.0)
    counts = counts.clip(min=0.0)
    return np.asarray(counts / counts.sum())


def _by_row(joint: np.ndarray, otherwise: np.ndarray | float = 0.0) -> np.ndarray:
    """Rows that sum to one; those of zeros as `otherwise` has them."""
    rows = np.where(joint.sum(axis=1, keepdims=True) > 0, joint, otherwise)
    return np.asarray(rows / rows.sum(axis=1, keepdims=True))


def true_class(
    products: np.ndarray, labels: np.ndarray, shares: np.ndarray, by: float
) -> np.ndarray:
    """Probability [n, C] of each class to be the true one, given the images and their labels [n].

    Bayes' rule: what the votes say of the image (their product, as logarithms [n, C]), times how
    often an image of that class gets this label, from the estimated `shares` [C, C] of label i and
    true class j (a noise transition matrix: Patrini et al., CVPR 2017), each of its counts raised
    by one (Laplace's rule of succession). They count as much as `by` says.
    """
    counts = shares * len(labels) + 1.0
    transition = signals.log(counts / counts.sum(axis=0, keepdims=True))
    return softmax(products + by * transition[labels], axis=1)


def known_right(
    shares: np.ndarray, scores: np.ndarray, labels: np.ndarray, reviewed: np.ndarray
) -> np.ndarray:
    """The joint [C, C] once a person has looked at some of the images, as decided since.

    Of each label, as many images as are wrong are the wrong ones: those of the highest `scores`
    [n]. The labels of those among them that are `reviewed` [n] are known, and right by now.
    """
    counts = shares * len(labels)
    for label, wrong in enumerate(off_diagonal(counts).sum(axis=1)):
        rows = np.flatnonzero(labels == label)
        first = rows[np.argsort(-scores[rows], kind="stable")[: int(np.ceil(wrong))]]
        known = counts[label] * (reviewed[first].mean() if len(first) else 0.0)
        known[label] = 0.0
        counts[label] -= known
        counts[label, label] += known.sum()
    return np.asarray(counts / counts.sum())


def off_diagonal(shares: np.ndarray) -> np.ndarray:
    """The same with a diagonal of zeros: the wrong labels."""
    return shares * (1.0 - np.eye(len(shares)))


def expected_precision(
    shares: np.ndarray, held_out: np.ndarray, labels: np.ndarray
) -> tuple[float, float]:
    """Expected share of wrong labels among the most suspicious, as many as there are wrong ones.

    Nobody knows which labels are wrong, but on images that training never saw a wrong label can
    be planted: the loss of each validation image is taken under its given label and under the
    wrong labels that `shares` [C, C] makes likely for its class. If the share s of the given labels
    is above some loss, and the share r of the planted ones, then wrong labels that make up s of
    all are found with precision r.

    Args:
        held_out: Probabilities [m, C] of the validation images, and `labels` [m] their labels.

    Returns:
        The least and the most: if each wrong label falls on the images of a class as the network
        takes them for the other one (instance-dependent noise: Chen et al., AAAI 2021), which
        hides it best, and if it falls on any of them alike. 0 and 1 where no validation image is of
        a class whose labels may be wrong.
    """
    planted = off_diagonal(shares)
    wrong = planted.sum()
    if wrong == 0.0:
        return 0.0, 0.0
    if not planted[:, labels].any():
        return 0.0, 1.0
    rows = np.arange(len(labels))
    losses = -signals.log(held_out)
    found = losses > np.quantile(losses[rows, labels], 1.0 - wrong)

    def precision(looks: np.ndarray) -> float:
        of_class = np.zeros_like(planted)
        np.add.at(of_class, labels, looks)
        weights = planted[:, labels].T * looks / of_class[labels]  # [m, C]: label by image
        return float((weights * found).sum() / weights.sum())

    alike, as_seen = (precision(p) for p in (np.ones_like(losses), np.maximum(held_out, 1e-12)))
    return min(as_seen, alike), max(as_seen, alike)


def estimate(
    shares: np.ndarray, images: int, precision: tuple[float, float], classes: Sequence[str]
) -> dict[str, Any]:
    """What estimate.json says: number, share, suggested cut, least and most precision, class pairs.

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
        "expected_precision": list(precision),
        "pairs": sorted(pairs, key=lambda pair: -pair["count"]),
    }
