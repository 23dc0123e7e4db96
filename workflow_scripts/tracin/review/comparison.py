"""The untouched test split before and after the corrections, and what of it may be noise."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from tracin.errors import UserError
from tracin.units import share

CONFIDENCE = 0.95
SMALLEST_PROBABILITY = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True)
class Pair:
    """Test predictions of one seed before and after, [n] rows about the same images each."""

    seed: int
    before: pd.DataFrame
    after: pd.DataFrame


@dataclass(frozen=True)
class Verdict:
    """Whether the model got better, in numbers and in one sentence.

    `interval_images` is the interval of the difference in accuracy over other test images,
    `interval_seeds` over other training seeds (None with one seed).
    """

    before: float
    after: float
    fixed: int
    broken: int
    p_values: tuple[float, ...]
    interval_images: tuple[float, float]
    interval_seeds: tuple[float, float] | None
    sentence: str


def pair_up(seed: int, before: pd.DataFrame, after: pd.DataFrame) -> Pair:
    """The test rows of two prediction tables.

    Raises:
        UserError: The two differ in their test images or those images' labels.
    """
    columns = ["sample_id", "label_index"]
    one, other = (
        table[table["split"] == "test"].sort_values("sample_id").reset_index(drop=True)
        for table in (before, after)
    )
    if not one[columns].equals(other[columns]):
        raise UserError(
            f"Seed {seed}: the test splits before and after are not the same. Run again with "
            "--forcerun predict."
        )
    return Pair(seed, one, other)


def mcnemar(fixed: int, broken: int) -> float:
    """Two-sided p-value of McNemar's exact test (McNemar 1947; binomial over the discordant)."""
    total = fixed + broken
    return float(stats.binomtest(fixed, total, 0.5).pvalue) if total else 1.0


def mean_interval(values: np.ndarray) -> tuple[float, float]:
    """Student's interval of the mean of paired differences [n], n > 1."""
    mean, error = float(np.mean(values)), float(stats.sem(values))
    if error == 0:
        return mean, mean
    low, high = stats.t.interval(CONFIDENCE, len(values) - 1, loc=mean, scale=error)
    return float(low), float(high)


def right(table: pd.DataFrame) -> np.ndarray:
    """Whether each prediction is right, bool [n]."""
    return (table["label_index"] == table["predicted_index"]).to_numpy()


def loss(table: pd.DataFrame) -> np.ndarray:
    """Negative log-likelihood of each label, [n]."""
    probabilities = np.stack(table["probabilities"].to_list())
    own = probabilities[np.arange(len(table)), table["label_index"].to_numpy()]
    return -np.log(np.maximum(own, SMALLEST_PROBABILITY))


def compare(pairs: list[Pair], classes: list[str]) -> pd.DataFrame:
    """Per seed and measure: seed, measure, class, images, before, after, difference.

    Measures are accuracy and loss, over all test images (class empty) and class by class. With
    several seeds, rows with seed -1 hold their means, and low and high the interval of the
    difference, paired over the seeds.
    """
    rows = [row for pair in pairs for row in _measures(pair, classes)]
    table = pd.DataFrame(rows)
    table["difference"] = table["after"] - table["before"]
    table["low"], table["high"] = np.nan, np.nan
    return pd.concat([table, _over_seeds(table)], ignore_index=True) if len(pairs) > 1 else table


def _measures(pair: Pair, classes: list[str]) -> Iterable[dict[str, object]]:
    labels = pair.before["label_index"].to_numpy()
    everything = np.ones(len(labels), dtype=bool)
    groups = [("", everything), *((name, labels == code) for code, name in enumerate(classes))]
    for measure, of in (("accuracy", right), ("loss", loss)):
        before, after = of(pair.before), of(pair.after)
        for name, rows in groups:
            if rows.any():
                yield {
                    "seed": pair.seed,
                    "measure": measure,
                    "class": name,
                    "images": int(rows.sum()),
                    "before": float(before[rows].mean()),
                    "after": float(after[rows].mean()),
                }


def _over_seeds(table: pd.DataFrame) -> pd.DataFrame:
    means = []
    for (measure, name), rows in table.groupby(["measure", "class"], sort=False):
        low, high = mean_interval(rows["difference"].to_numpy())
        mean = rows[["before", "after", "difference"]].mean()
        means.append(
            {
                "seed": -1,
                "measure": measure,
                "class": name,
                "images": rows["images"].iloc[0],
                "before": mean["before"],
                "after": mean["after"],
                "difference": mean["difference"],
                "low": low,
                "high": high,
            }
        )
    return pd.DataFrame(means)


def changed_images(pairs: list[Pair], manifest: pd.DataFrame, classes: list[str]) -> pd.DataFrame:
    """The test images whose prediction became right (fixed) or wrong (broken), seed by seed."""
    names = np.array(classes, dtype=object)
    paths = manifest.set_index("sample_id")["path"]
    parts = []
    for pair in pairs:
        was, now = right(pair.before), right(pair.after)
        for change, rows in (("fixed", ~was & now), ("broken", was & ~now)):
            before, after = pair.before[rows], pair.after[rows]
            parts.append(
                pd.DataFrame(
                    {
                        "seed": pair.seed,
                        "change": change,
                        "sample_id": before["sample_id"],
                        "path": before["sample_id"].map(paths),
                        "label": names[before["label_index"]],
                        "predicted_before": names[before["predicted_index"]],
                        "predicted_after": names[after["predicted_index"]],
                    }
                )
            )
    return pd.concat(parts, ignore_index=True)


def corrections_and_changes(
    changes: pd.DataFrame, topk: dict[int, pd.DataFrame], corrections: pd.DataFrame
) -> pd.DataFrame:
    """Which corrected training images stood in the lists of the changed test images before.

    One row per seed, changed test image and correction (other than keep) among its proponents or
    opponents; `influence` is that of the training image with its old label. Strongest first.
    """
    wanted = corrections.loc[
        corrections["action"] != "keep", ["sample_id", "path", "action", "previous_label", "label"]
    ].rename(columns={"sample_id": "train_id", "path": "train_path", "label": "new_label"})
    parts = []
    for seed, listed in topk.items():
        of_seed = changes[changes["seed"] == seed]
        test = of_seed.rename(columns={"sample_id": "test_id", "path": "test_path"})
        test = test[["seed", "change", "test_id", "test_path", "label"]]
        parts.append(test.merge(listed, on="test_id").merge(wanted, on="train_id"))
    found = pd.concat(parts, ignore_index=True)
    order = found["influence"].abs().sort_values(ascending=False, kind="stable").index
    return found.loc[order].reset_index(drop=True)


def judge(pairs: list[Pair]) -> Verdict:
    """Weigh the difference in accuracy against the noise of test images and of training seeds.

    With one seed McNemar's exact test decides. With several, the paired intervals over the seeds
    and over the test images (of the seeds' mean difference) must both leave zero out.
    """
    was = np.stack([right(pair.before) for pair in pairs])
    now = np.stack([right(pair.after) for pair in pairs])
    fixed, broken = (~was & now).sum(axis=1), (was & ~now).sum(axis=1)
    p_values = tuple(mcnemar(int(f), int(b)) for f, b in zip(fixed, broken, strict=True))
    gains = now.astype(float) - was.astype(float)
    images = mean_interval(gains.mean(axis=0))
    seeds = mean_interval(gains.mean(axis=1)) if len(pairs) > 1 else None
    better = gains.mean() > 0
    sure = p_values[0] < 1 - CONFIDENCE if seeds is None else _excludes_zero(images, seeds)
    return Verdict(
        before=float(was.mean()),
        after=float(now.mean()),
        fixed=int(fixed.sum()),
        broken=int(broken.sum()),
        p_values=p_values,
        interval_images=images,
        interval_seeds=seeds,
        sentence=_sentence(bool(better), sure),
    )


def _excludes_zero(*intervals: tuple[float, float]) -> bool:
    return all(low > 0 or high < 0 for low, high in intervals)


def _sentence(better: bool, sure: bool) -> str:
    if not sure:
        return "No gain beyond noise: chance alone may change the accuracy as much."
    return (
        "A gain beyond noise: the accuracy on the test split rose."
        if better
        else "A loss beyond noise: the accuracy on the test split fell."
    )


def summary(verdict: Verdict, pairs: list[Pair], corrections: pd.DataFrame) -> str:
    """What a person should read first, as text."""
    counts = corrections["action"].value_counts()
    images, seeds = len(pairs[0].before), len(pairs)
    tests = ", ".join(f"{p:.2g}" for p in verdict.p_values)
    lines = [
        verdict.sentence,
        "",
        f"Corrections: {counts.get('relabel', 0):,} relabelled, "
        f"{counts.get('remove', 0):,} removed, {counts.get('keep', 0):,} kept.",
        f"Accuracy on {images:,} untouched test images: {share(verdict.before)} before, "
        f"{share(verdict.after)} after ({100 * (verdict.after - verdict.before):+.2f} points).",
        *_interval_line("test images", verdict.interval_images if images > 1 else None),
        f"Mispredictions: {verdict.fixed:,} fixed, {verdict.broken:,} broken"
        + (f" over {seeds} seeds." if seeds > 1 else "."),
        f"McNemar's exact test, p: {tests}.",
    ]
    if verdict.interval_seeds is None:
        lines.append(
            "One seed: another one may move the accuracy by more; set train.seeds to several."
        )
    else:
        lines += _interval_line(f"{seeds} seeds, paired", verdict.interval_seeds)
    return "\n".join(lines) + "\n"


def _interval_line(over: str, interval: tuple[float, float] | None) -> list[str]:
    """A line on the interval of the difference, in points; none where there is no interval."""
    if interval is None:
        return []
    low, high = (100 * value for value in interval)
    return [f"Interval over {over} ({CONFIDENCE:.0%}): {low:+.2f} to {high:+.2f} points."]
