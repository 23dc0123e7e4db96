"""The simulated review: what the oracle corrects, and one small run."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from tests.tracin.test_training import RECIPE
from tracin.figures.simulation import simulation_figure
from tracin.images import Augmentation
from tracin.model import Architecture
from tracin.review.simulation import (
    EVERYTHING,
    NOTHING,
    Simulation,
    after_review,
    recovered,
    simulate,
)
from tracin.samples import Samples


def test_the_oracle_corrects_what_it_is_shown_and_no_more() -> None:
    noisy = Samples(np.array([3, 5, 7, 9]), np.array([1, 0, 1, 0]))
    truth = Samples(noisy.ids, np.array([0, 0, 0, 1]))
    order = np.array([9, 5, 3, 7])
    for share, labels in ((0.0, [1, 0, 1, 0]), (0.5, [1, 0, 1, 1]), (1.0, [0, 0, 0, 1])):
        assert after_review(noisy, truth, order, share).labels.tolist() == labels


def test_recovered_share_of_the_means() -> None:
    rows = [(EVERYTHING, 1.0, 0.9), (NOTHING, 0.0, 0.7), ("loss", 0.25, 0.85), ("loss", 0.25, 0.87)]
    table = recovered(pd.DataFrame(rows, columns=["order", "share", "accuracy"]))
    assert table["recovered"].tolist() == pytest.approx([1.0, 0.0, 0.8])


def test_a_small_run() -> None:
    random = np.random.default_rng(0)
    truth = np.arange(60) % 2
    pixels = np.clip(
        random.normal(80 + 90 * truth[:, None, None, None], 20, (60, 32, 32, 3)), 0, 255
    )
    augmentation = Augmentation(crop_scale=(1.0, 1.0), horizontal_flip=False, rotation=0)
    recipe = replace(
        RECIPE, input_size=32, batch_size=10, head_epochs=0, epochs=1, augmentation=augmentation
    )
    ids = np.arange(40)
    labels = truth[:40].copy()
    labels[:6] = 1 - labels[:6]
    simulation = Simulation(
        pixels=pixels.astype(np.uint8),
        noisy=Samples(ids, labels),
        truth=Samples(ids, truth[:40]),
        val=Samples(np.arange(40, 50), truth[40:50]),
        test=Samples(np.arange(50, 60), truth[50:]),
        architecture=Architecture("resnet18", 2),
        recipe=recipe,
        balanced=True,
        label_smoothing=0.0,
        backbone=None,
        device=torch.device("cpu"),
        batch_size=64,
    )
    table = pd.DataFrame(simulate(simulation, 0, [0.15], {"suspects": ids}))
    orders = [EVERYTHING, NOTHING, "suspects", "loss", "cleanlab", "random"]
    assert table["order"].tolist() == orders
    assert table["corrected"].tolist()[:3] == [6, 0, 6]
    assert (table.loc[[3, 4], "corrected"] > 0).all()
    assert table["accuracy"].between(0, 1).all()
    assert table["accuracy"].iloc[2] == table["accuracy"].iloc[0]
    assert len(simulation_figure(table).axes[0].get_lines()) == 4 + 2
