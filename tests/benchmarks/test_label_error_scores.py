"""Scores of rankings on cases worked by hand."""

import argparse
from pathlib import Path

import numpy as np
import pytest

from benchmarks.label_error_scores import Ranking, score_table
from benchmarks.label_errors import COMBINATION, PLAIN, headline, report

WRONG = np.array([True, False, True, False, False, False, False, False, False, False])


def test_scores_by_hand() -> None:
    perfect = np.where(WRONG, 2.0, 1.0)
    # wrong labels in places 1 and 4: average precision (1/1 + 2/4) / 2
    middling = np.array([10.0, 9.0, 7.0, 8.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0])
    table = score_table(
        [Ranking(PLAIN, middling, WRONG, 3.0), Ranking(COMBINATION, perfect, WRONG, 0.0)]
    )
    best, other = table.iloc[0], table.iloc[1]
    assert best["ranking"] == COMBINATION and best["average_precision"] == best["auroc"] == 1.0
    assert other["average_precision"] == pytest.approx(0.75) and other["extra_seconds"] == 3.0
    assert other["precision_at_errors"] == 0.5 and other["recall_at_10%"] == 0.5
    assert other["low"] <= other["average_precision"] <= other["high"]
    assert headline(table) == {"ratio": pytest.approx(1 / 0.75)}


def test_labels_without_an_error_are_no_reason_to_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    clean = Ranking(PLAIN, np.arange(10.0), np.zeros(10, dtype=bool), 0.0)
    report([clean], {"standard": {"estimated_errors": 0}}, argparse.Namespace())
    assert capsys.readouterr().out.startswith("No label is wrong")
