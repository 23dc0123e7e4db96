"""One run's signals of wrong labels, joined into a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tracin.influence import Slot
from tracin.label_errors import signals
from tracin.label_errors.evidence import listed, opposition
from tracin.label_errors.neighbours import Neighbours, mean_over
from tracin.label_errors.validation import influence_on_classes
from tracin.label_errors.views import Views
from tracin.label_errors.votes import (
    Votes,
    cast_votes,
    joined,
    out_of_fold,
    posterior,
    rows_of,
)
from tracin.samples import Samples


@dataclass(frozen=True)
class RunFiles:
    """What one training run left behind, as far as label errors are concerned."""

    train: Samples
    contents: np.ndarray  # digest of the bytes of each training image
    val: Samples
    dynamics: dict[str, np.ndarray]
    views: Views
    neighbours: Neighbours  # of the training images, k or more
    self_influence: pd.DataFrame
    lists: pd.DataFrame  # columns of topk.parquet, training images in the role of test images
    train_slots: Iterable[Slot]
    val_slots: Iterable[Slot]
    others: Sequence[Votes] = ()  # of networks of other seeds, or trained on parts of the images


def signal_table(run: RunFiles, k: int) -> pd.DataFrame:
    """One row per training image: train_id, label_index, a column per signal, and the evidence.

    `memorised` is that of all networks together; `probabilities` is a list [C] per row;
    `neighbours` (the `k` nearest), `opponents` and `proponents` are lists of ids, strongest first.

    Raises:
        UserError: the files are about different samples.
    """
    ids, labels = run.train.ids, run.train.labels
    _check_samples(run)
    views = run.views.only(ids)
    rows = run.neighbours.rows[:, :k]
    networks = [cast_votes(run.views, run.train, run.val, run.dynamics), *run.others]
    votes = joined(networks)
    best = posterior(votes, labels, run.contents)
    columns = _from_outputs(run.dynamics, views, labels)
    columns["learned_late"] = votes.late
    if (unseen := out_of_fold(networks)) is not None:
        columns["loss_out_of_fold"] = -signals.own(unseen, labels)
    columns["neighbour_labels"] = signals.neighbour_labels(rows, labels)
    columns["neighbour_probability"] = -signals.own(mean_over(rows, views.probabilities), labels)
    columns |= _from_influence(run, signals.strongest_other(best, labels)[0])
    frame = pd.DataFrame({"train_id": ids, "label_index": labels.astype(np.int16)})
    for name, values in columns.items():
        frame[name] = np.asarray(values, dtype=np.float32)
    frame[signals.MEMORISED] = np.float32(votes.memorised)
    frame["probabilities"] = list(best.astype(np.float32))
    frame["neighbours"] = list(ids[rows])
    for kind in ("opponent", "proponent"):
        frame[f"{kind}s"] = pd.Series(listed(run.lists, kind, ids))
    return frame


def _check_samples(run: RunFiles) -> None:
    given = {
        "dynamics": run.dynamics["sample_id"],
        "self-influence": run.self_influence["train_id"].to_numpy(),
    }
    run.neighbours.check(run.train.ids)
    for name, ids in given.items():
        rows_of(run.train.ids, ids, name)
        rows_of(ids, run.train.ids, name)


def _from_outputs(
    dynamics: dict[str, np.ndarray], views: Views, labels: np.ndarray
) -> dict[str, np.ndarray]:
    return {
        "loss": signals.loss(views.plain, labels),
        "loss_views": signals.loss(views.probabilities, labels),
        "margin_views": signals.margin(views.probabilities, labels),
        "loss_recent": -signals.own(dynamics["log_probabilities"], labels),
        "loss_mean": signals.mean_loss(dynamics["loss"]),
        "area_under_margin": signals.area_under_margin(dynamics["margin"]),
        "forgetting": signals.forgetting(dynamics["predicted"], labels),
        "confident_learning": signals.confident_learning(views.probabilities, labels),
    }


def _from_influence(run: RunFiles, other: np.ndarray) -> dict[str, np.ndarray]:
    """Signals from gradients; `other` [n] is the most probable class beside the label."""
    wanted = np.stack([run.train.labels, other], axis=1)
    helped = influence_on_classes(run.val_slots, run.val.labels, run.train_slots, wanted)
    return {
        "self_influence": run.self_influence["self_influence"].to_numpy(),
        "self_influence_error": run.self_influence["self_influence_error"].to_numpy(),
        "influence_on_own_class": -helped[:, 0],
        "influence_on_other_class": -helped[:, 1],
        "opposition": opposition(run.lists, run.train.ids),
    }
