"""The list that a person reviews: all runs together, with reasons in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import softmax

from tracin.errors import UserError
from tracin.label_errors import signals
from tracin.label_errors.estimate import carried_over, joint_shares, shares_by, true_class, weight
from tracin.label_errors.reasons import reasons

EVIDENCE = ["opponents", "proponents", "neighbours"]
LISTS = ["other_labels", *EVIDENCE]
OTHERS = 10  # a key for each on the review page
ROWS = 4096  # images whose classes are sorted at once, so that memory does not grow with them


def score(probabilities: np.ndarray, late: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """What the ranking goes by, [n]: -log q_y + the mean loss of training.

    q, `probabilities` [n, C], says which class is the true one (`true_class`). The mean loss
    tells labels that were learned late, by heart, from those that were plain from the beginning;
    `late` [n] is as much of it as was learned by heart (`votes.cast_votes`). docs/method.md has
    the measurements.
    """
    return signals.loss(probabilities, labels) + late


def averaged(runs: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Signals (mean) and probabilities (geometric mean) of several runs; the first's evidence.

    Raises:
        UserError: the runs list other samples or labels.
    """
    first = runs[0]
    for other in runs[1:]:
        if not first[["train_id", "label_index"]].equals(other[["train_id", "label_index"]]):
            raise UserError(
                "The runs list different training images or labels. Run again with "
                "--forcerun signals."
            )
    joined = first.copy()
    for name in [*signal_names(first), signals.MEMORISED]:
        joined[name] = np.mean([run[name] for run in runs], axis=0).astype(np.float32)
    mean = np.mean([products(run) for run in runs], axis=0)
    joined["probabilities"] = list(softmax(mean, axis=1))
    return joined


def products(joined: pd.DataFrame) -> np.ndarray:
    """The product of the votes on each image, as logarithms [n, C]."""
    return signals.log(np.stack(joined["probabilities"].to_list()))


def signal_names(frame: pd.DataFrame) -> list[str]:
    """The columns of a signal table that are signals."""
    floats = [name for name in frame.columns if pd.api.types.is_float_dtype(frame[name])]
    return [name for name in floats if name != signals.MEMORISED]


def weight_of(joined: pd.DataFrame) -> float:
    """What `estimate.weight` says of the runs together."""
    return weight(float(joined[signals.MEMORISED].iloc[0]))


def shares_of(
    joined: pd.DataFrame, given: np.ndarray, held_out: np.ndarray, held_out_labels: np.ndarray
) -> np.ndarray:
    """Estimated share of all images that have label i and whose true class is j: float [C, C].

    Of the training images, and as far as those were learned by heart of the validation images, from
    their probabilities [m, C]. What was learned by heart agrees with wrong labels, so the first
    joint lacks them; the second also counts the network's own mistakes. `given` are the labels [n]
    before a review, which the validation images still have.
    """
    by, labels = weight_of(joined), joined["label_index"].to_numpy(np.int64)
    trained = shares_by(products(joined), labels, by)
    others = joint_shares(held_out, held_out_labels)
    seen = np.bincount(held_out_labels, minlength=len(others))
    return by * trained + (1.0 - by) * carried_over(others, seen, trained, given, labels)


def probabilities_of(joined: pd.DataFrame, shares: np.ndarray) -> np.ndarray:
    """Probability [n, C] of each class to be the true one, all votes together."""
    labels = joined["label_index"].to_numpy(dtype=np.int64)
    return true_class(products(joined), labels, shares, weight_of(joined))


def scores_of(joined: pd.DataFrame, shares: np.ndarray) -> np.ndarray:
    """The `score` [n] of each image."""
    labels = joined["label_index"].to_numpy(dtype=np.int64)
    late = joined["learned_late"].to_numpy(np.float64)
    return score(probabilities_of(joined, shares), late, labels)


def suspect_table(
    joined: pd.DataFrame,
    shares: np.ndarray,
    manifest: pd.DataFrame,
    classes: Sequence[str],
    cut: int,
    reviewed: np.ndarray,
) -> pd.DataFrame:
    """One row per training image, most suspicious first; equal ones by rising train_id.

    Those that a person has decided on, `reviewed` [n], come after all others. Columns
    train_id, path, label, suggested_label, suggested_probability, suspicion (in [0, 1]:
    1 - exp(-score)), rank (from 1), suspected (rank at most `cut`, and not reviewed), reviewed,
    reasons, the signals (larger: more suspicious), other_labels (see there), and the evidence.
    """
    labels = joined["label_index"].to_numpy(dtype=np.int64)
    probabilities = probabilities_of(joined, shares)
    suggested, other = signals.strongest_other(probabilities, labels)
    names = np.array(classes, dtype=object)
    paths = manifest.set_index("sample_id")["path"]
    front = pd.DataFrame(
        {
            "train_id": joined["train_id"],
            "path": paths.loc[joined["train_id"]].to_numpy(),
            "label": names[labels],
            "suggested_label": names[suggested],
            "suggested_probability": other.astype(np.float32),
        }
    )
    scores = scores_of(joined, shares)
    front["suspicion"] = (-np.expm1(-scores)).astype(np.float32)
    front["reviewed"] = reviewed
    order = np.lexsort((front["train_id"], -scores, reviewed))
    front["reasons"] = reasons(joined, front, signals.own(probabilities, labels))
    others = pd.Series(other_labels(probabilities, labels, suggested, names), name="other_labels")
    parts = [front, joined[signal_names(joined)], others, joined[EVIDENCE]]
    table = pd.concat(parts, axis=1).iloc[order]
    table.insert(6, "rank", np.arange(1, len(table) + 1, dtype=np.int32))
    table.insert(7, "suspected", (table["rank"] <= cut) & ~table["reviewed"])
    return table.reset_index(drop=True)


def other_labels(
    probabilities: np.ndarray, labels: np.ndarray, suggested: np.ndarray, names: np.ndarray
) -> list[list[str]]:
    """For each image the names of up to `OTHERS` classes, the most probable first.

    Neither its label nor the suggested one is among them. `probabilities` are [n, C].
    """
    found = []
    for start in range(0, len(labels), ROWS):
        part = slice(start, start + ROWS)
        order = np.argsort(-probabilities[part], axis=1, kind="stable")[:, : OTHERS + 2]
        other = (order != labels[part, None]) & (order != suggested[part, None])
        found += [
            names[row[keep]][:OTHERS].tolist() for row, keep in zip(order, other, strict=True)
        ]
    return found
