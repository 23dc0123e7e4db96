"""Scores of rankings by the truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score, roc_auc_score

RESAMPLES = 200


@dataclass(frozen=True)
class Ranking:
    """One way to order n images by how suspicious their label is."""

    name: str
    values: np.ndarray  # [n], larger is more suspicious
    wrong: np.ndarray  # bool [n], the truth
    seconds: float  # beyond one training run and its predictions
    drawn: bool = False

    def ordered_errors(self) -> np.ndarray:
        """Whether each label is wrong, most suspicious first, bool [n]."""
        return self.wrong[np.argsort(-self.values, kind="stable")]


def score_table(rankings: list[Ranking]) -> pd.DataFrame:
    """One row per ranking, the best average precision first; `low` and `high` bound its 95%."""
    rows = []
    for ranking in rankings:
        errors = ranking.ordered_errors()
        n, wrong = len(errors), int(errors.sum())
        low, high = interval(ranking)
        rows.append(
            {
                "ranking": ranking.name,
                "average_precision": average_precision_score(ranking.wrong, ranking.values),
                "interval": f"{low:.3f} to {high:.3f}",
                "low": low,
                "high": high,
                "auroc": roc_auc_score(ranking.wrong, ranking.values),
                "precision_at_errors": errors[:wrong].mean(),
                "recall_at_10%": errors[: n // 10].sum() / wrong,
                "recall_at_20%": errors[: n // 5].sum() / wrong,
                "extra_seconds": ranking.seconds,
            }
        )
    frame = pd.DataFrame(rows)
    return frame.sort_values("average_precision", ascending=False, ignore_index=True)


def interval(ranking: Ranking) -> tuple[float, float]:
    """Bootstrapped 95% interval of the average precision: images drawn with replacement."""
    rng = np.random.default_rng(0)
    values = []
    for _ in range(RESAMPLES):
        rows = rng.integers(0, len(ranking.wrong), len(ranking.wrong))
        if not ranking.wrong[rows].any():
            continue  # nothing to find in this draw
        values.append(average_precision_score(ranking.wrong[rows], ranking.values[rows]))
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)
