"""Signals of a wrong label: one small function each; larger always means more suspicious.

Shapes: n training samples, C classes, E epochs; `labels` int [n] are the given ones.
"""

from __future__ import annotations

import numpy as np

SMALLEST = 1e-12
MEMORISED = "memorised"  # the column beside the signals that says how much a run learned by heart


def own(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Probability of the given label, [n], from probabilities [n, C]."""
    return probabilities[np.arange(len(labels)), labels]


def strongest_other(probabilities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The most probable class that is not the given one, and its probability: [n], [n]."""
    others = probabilities.copy()
    others[np.arange(len(labels)), labels] = -np.inf
    best = others.argmax(axis=1)
    return best, others[np.arange(len(labels)), best]


def log(probabilities: np.ndarray) -> np.ndarray:
    """Logarithm of probabilities of any shape, finite at zero."""
    return np.log(np.maximum(probabilities, SMALLEST))


def loss(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Cross-entropy -log p_y, [n]: wrong labels are learned late (Arpit et al., ICML 2017)."""
    return -log(own(probabilities, labels))


def margin(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """log max_{c != y} p_c - log p_y, [n]: the negative margin of the logits."""
    other = strongest_other(probabilities, labels)[1]
    return log(other) + loss(probabilities, labels)


def mean_loss(losses: np.ndarray) -> np.ndarray:
    """Mean cross-entropy over the epochs, [n], from losses [E, n]; a missed epoch is NaN."""
    return np.nanmean(losses, axis=0)


def area_under_margin(margins: np.ndarray) -> np.ndarray:
    """Negative mean margin over the epochs, [n], from margins [E, n] (Pleiss et al. 2020)."""
    return -np.nanmean(margins, axis=0)


def forgetting(predicted: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """How often a sample that was right became wrong, [n] (Toneva et al., ICLR 2019).

    From predicted [E, n], -1 where an epoch missed the sample: it stays as it was before. A sample
    that was never right counts E: it was never learned.
    """
    right = predicted == labels
    for epoch in range(1, len(right)):
        missed = predicted[epoch] < 0
        right[epoch, missed] = right[epoch - 1, missed]
    forgotten = (right[:-1] & ~right[1:]).sum(axis=0)
    return np.where(right.any(axis=0), forgotten, len(predicted)).astype(float)


def neighbour_labels(rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Share of the neighbours rows [n, k] whose given label is another, [n] (Wilson, 1972)."""
    return (labels[rows] != labels[:, None]).mean(axis=1)


def confident_learning(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """One minus cleanlab's label quality: normalised margin, adjusted for the classes' thresholds.

    Northcutt, Jiang and Chuang, JAIR 2021, section 3.2.
    """
    # Seconds, for the many jobs that only want a logarithm of this module.
    from cleanlab.rank import get_label_quality_scores

    quality = get_label_quality_scores(
        labels, probabilities, method="normalized_margin", adjust_pred_probs=True
    )
    return 1.0 - np.asarray(quality, dtype=float)
