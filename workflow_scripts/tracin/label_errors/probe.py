"""Linear probes: what a network's features say of an image to one who has not seen its label."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from tracin.arithmetic import side_by_side
from tracin.label_errors import signals

DIRECTIONS = 256
PARTS = 5
WEIGHT_OF_FIT = 30.0  # beside the penalty's, for features of length one


def principal(features: np.ndarray) -> np.ndarray:
    """Coordinates float32 [n, at most DIRECTIONS] along the principal directions of rows [n, d].

    A probe penalises lengths, which turning the features leaves as they are: it sees the same.
    """
    if min(features.shape) <= DIRECTIONS:
        return features
    with one_thread():
        return PCA(DIRECTIONS, svd_solver="covariance_eigh").fit_transform(features)


def probe(
    features: np.ndarray,
    labels: np.ndarray,
    weights: np.ndarray,
    classes: int,
    contents: np.ndarray | None = None,
) -> np.ndarray:
    """Log-probabilities float64 [n, classes] of each row by a probe that was fitted to others.

    Multinomial logistic regression (linear classifier probes: Alain and Bengio, ICLR 2017
    workshop), fitted to all but a fifth of the rows [n, d] at a time, weighted by `weights` [n].
    NaN where the other rows have no image of the label's class: nothing can be said of it there.
    `torch.get_num_threads()` fits run side by side, each on one thread.

    Args:
        contents: equal for copies of an image, [n], which are judged by the same probe: a copy's
            wrong label would vouch for its own.
    """
    features = features.astype(np.float64)
    said = np.full((len(labels), classes), np.nan)
    part = parts(labels, contents)

    def judge(number: int) -> tuple[np.ndarray, np.ndarray]:
        return _judge(features, labels, weights, part != number, classes)

    with one_thread():
        for rows, probabilities in side_by_side(range(PARTS), judge, torch.get_num_threads()):
            said[rows] = signals.log(probabilities)
    return said


def _judge(
    features: np.ndarray, labels: np.ndarray, weights: np.ndarray, rest: np.ndarray, classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rows not in `rest` [n] whose label is, and their probabilities [rows, classes]."""
    known = np.unique(labels[rest])
    rows = np.flatnonzero(~rest & np.isin(labels, known))
    probabilities = np.zeros((len(rows), classes))
    if len(known) < 2 or not len(rows):
        return rows[:0], probabilities[:0]
    model = LogisticRegression(C=WEIGHT_OF_FIT, max_iter=1000)
    model.fit(features[rest], labels[rest], weights[rest])
    probabilities[:, known] = model.predict_proba(features[rows])
    return rows, probabilities


def one_thread() -> threadpool_limits:
    """Several threads round sums in another order, which a fit makes visible."""
    return threadpool_limits(1, user_api="blas")


def parts(labels: np.ndarray, contents: np.ndarray | None = None) -> np.ndarray:
    """A fifth for each image, int [n], that holds a fifth of each class.

    Neighbours in the order of the images, often near-duplicates, share theirs, and so do images of
    equal `contents` [n].
    """
    part = np.zeros(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        part[rows] = np.arange(len(rows)) * PARTS // len(rows)
    if contents is None:
        return part
    _, first, which = np.unique(contents, return_index=True, return_inverse=True)
    return part[first[which]]
