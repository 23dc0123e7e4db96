"""The table of signals of one run, from made-up files."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.tracin.factors import whole_slots
from tracin.errors import UserError
from tracin.label_errors.neighbours import nearest
from tracin.label_errors.table import RunFiles, signal_table
from tracin.label_errors.views import Views
from tracin.samples import Samples
from tracin.topk import KINDS

N, VAL, CLASSES, EPOCHS = 60, 9, 3, 2
TRAIN = Samples(np.arange(N), np.arange(N) * CLASSES // N)


def run(contents: np.ndarray, **changes: object) -> RunFiles:
    """A run about training images 0 to N - 1 and validation images after them."""
    random = np.random.default_rng(0)
    ids = np.arange(N + VAL)
    features = random.standard_normal((len(ids), 4)).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    probabilities = random.dirichlet(np.ones(CLASSES), len(ids)).astype(np.float32)
    facts = {
        "train": TRAIN,
        "contents": contents,
        "val": Samples(ids[N:], ids[N:] % CLASSES),
        "dynamics": {
            "sample_id": TRAIN.ids,
            "loss": random.random((EPOCHS, N)).astype(np.float32),
            "margin": random.standard_normal((EPOCHS, N)).astype(np.float32),
            "predicted": random.integers(0, CLASSES, (EPOCHS, N)),
            "log_probabilities": np.log(probabilities[:N]),
        },
        "views": Views(ids, probabilities, probabilities, features),
        "neighbours": nearest(TRAIN.ids, features[:N], 10),
        "self_influence": pd.DataFrame(
            {"train_id": TRAIN.ids, "self_influence": 1.0, "self_influence_error": 0.5}
        ),
        "lists": pd.DataFrame(
            {
                "test_id": [0, 0, 1, 1],
                "kind": [*KINDS, *KINDS],
                "rank": 1,
                "train_id": [5, 7, 6, 8],
                "influence": [2.0, -3.0, 1.0, 0.5],
            }
        ),
        "train_slots": whole_slots(N, 0),
        "val_slots": whole_slots(VAL, N),
    }
    return RunFiles(**(facts | changes))  # type: ignore[arg-type]


def test_evidence_stands_beside_the_signals() -> None:
    table = signal_table(run(np.arange(N)), k=4)
    assert table["train_id"].tolist() == TRAIN.ids.tolist()
    assert table["label_index"].tolist() == TRAIN.labels.tolist()
    assert table["opposition"].tolist()[:3] == [3.0, 0.0, 0.0]
    assert [ids.tolist() for ids in table["opponents"][:3]] == [[7], [], []]
    assert [ids.tolist() for ids in table["proponents"][:3]] == [[5], [6], []]
    assert {len(ids) for ids in table["neighbours"]} == {4}
    assert np.allclose(np.stack(table["probabilities"].to_list()).sum(axis=1), 1.0)


def test_copies_of_an_image_do_not_vouch_for_each_other() -> None:
    tables = [signal_table(run(contents), k=4) for contents in (np.arange(N), np.arange(N) % 7)]
    apart, copies = (np.stack(table["probabilities"].to_list()) for table in tables)
    assert np.abs(apart - copies).max() > 0.01


@pytest.mark.parametrize("name", ["dynamics", "self-influence"])
def test_files_about_other_images_are_refused(name: str) -> None:
    other: dict[str, object] = {"dynamics": {"sample_id": TRAIN.ids + 1}}
    if name == "self-influence":
        other = {"self_influence": pd.DataFrame({"train_id": TRAIN.ids[1:]})}
    with pytest.raises(UserError, match=f"The {name} of this run are about other samples"):
        signal_table(run(np.arange(N), **other), k=4)


def test_neighbours_of_other_samples_are_refused() -> None:
    known = run(np.arange(N))
    others = replace(known.neighbours, sample_id=TRAIN.ids + 1)
    with pytest.raises(UserError, match="neighbours are those of other samples"):
        signal_table(replace(known, neighbours=others), k=4)


def test_a_larger_signal_is_a_worse_one() -> None:
    """Loss and influences from all pairs of images; neighbours by all views, not the plain one."""
    known = run(np.arange(N))
    own = np.arange(N), TRAIN.labels
    views = known.views
    blurred = np.roll(views.plain, 1, axis=1)
    known = run(np.arange(N), views=replace(views, probabilities=blurred))
    table = signal_table(known, k=4)
    np.testing.assert_allclose(table["loss_recent"], -np.log(views.plain[own]), rtol=1e-5)
    rows = np.stack(table["neighbours"].to_list())  # the ids of training images are rows, too
    said = -blurred[rows, TRAIN.labels[:, None]].mean(axis=1)
    np.testing.assert_allclose(table["neighbour_probability"], said, rtol=1e-5)
    total = np.zeros((VAL, N))
    for (held_out, rate), (factors, _) in zip(known.val_slots, known.train_slots, strict=True):
        wide = held_out.activations @ factors.activations.T
        total += rate * (wide * (held_out.errors @ factors.errors.T)).numpy()
    by_class = np.stack([total[known.val.labels == c].mean(axis=0) for c in range(CLASSES)], axis=1)
    others = np.stack(table["probabilities"].to_list())
    others[own] = -1
    for name, classes in (("own", TRAIN.labels), ("other", others.argmax(axis=1))):
        expected = -by_class[np.arange(N), classes]
        np.testing.assert_allclose(
            table[f"influence_on_{name}_class"], expected, rtol=1e-4, atol=1e-5
        )
