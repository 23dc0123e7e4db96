"""What several runs of one label set agree on."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from tracin.crossref import appearances, opponent_shares, signed
from tracin.units import percent, share

Runs = Mapping[int, pd.DataFrame]


def persistent_mispredictions(images: Runs, min_runs: int) -> pd.DataFrame:
    """Images of any split that at least `min_runs` runs get wrong, the most often wrong first.

    `images` holds a table as from `tracin.crossref.image_table` per seed. Columns sample_id, split,
    path, label, runs_wrong, runs, mean_confidence, predicted ("dog in 2, fox in 1").
    """
    wrong = pd.concat([table[table["wrong"]].reset_index() for table in images.values()])
    grouped = wrong.groupby("sample_id")
    table = grouped.agg(
        split=("split", "first"),
        path=("path", "first"),
        label=("label", "first"),
        runs_wrong=("wrong", "size"),
        mean_confidence=("confidence", "mean"),
        predicted=("predicted", _votes),
    ).reset_index()
    table.insert(5, "runs", len(images))
    kept = table[table["runs_wrong"] >= min_runs]
    return kept.sort_values(
        ["runs_wrong", "mean_confidence", "sample_id"], ascending=[False, False, True]
    ).reset_index(drop=True)


def _votes(predicted: pd.Series) -> str:
    counts = predicted.value_counts().sort_index().sort_values(ascending=False, kind="stable")
    return ", ".join(f"{name} in {count}" for name, count in counts.items())


def consistent_influences(
    images: Runs, topk: Runs, influential: int, min_runs: int
) -> pd.DataFrame:
    """Training images among a run's `influential` strongest in at least `min_runs` runs.

    A run's strongest are those of the largest sum of sizes of influence over all its lists; scales
    of influence differ between runs, ranks don't. Columns train_id, path, label, runs_influential,
    runs, effect (helpful, harmful or mixed, by the sign of its mean influence in those runs),
    mean_rank, mean_influence.
    """
    ranked = [_strongest(images[seed], topk[seed], influential) for seed in topk]
    joined = pd.concat(ranked)
    table = (
        joined.groupby("train_id")
        .agg(
            path=("path", "first"),
            label=("label", "first"),
            runs_influential=("place", "size"),
            effect=("mean_influence", _effect),
            mean_rank=("place", "mean"),
            mean_influence=("mean_influence", "mean"),
        )
        .reset_index()
    )
    table.insert(4, "runs", len(topk))
    kept = table[table["runs_influential"] >= min_runs]
    return kept.sort_values(
        ["runs_influential", "mean_rank", "train_id"], ascending=[False, True, True]
    ).reset_index(drop=True)


def _strongest(images: pd.DataFrame, topk: pd.DataFrame, count: int) -> pd.DataFrame:
    rows = signed(topk)
    size = rows["influence"].abs().groupby(rows["train_id"]).sum().rename("size").reset_index()
    size = size.sort_values(["size", "train_id"], ascending=[False, True]).head(count)
    size["place"] = np.arange(1, len(size) + 1)
    return size.merge(appearances(images, topk), on="train_id", validate="1:1")


def _effect(means: pd.Series) -> str:
    if (means > 0).all():
        return "helpful"
    return "harmful" if (means < 0).all() else "mixed"


def influence_statistics(images: Runs, topk: Runs) -> pd.DataFrame:
    """One row per run and kind: how strong the listed influences are.

    Columns seed, kind, pairs, mean, std, min, q25, median, q75, max, and the shares of opponents
    among the strongest images of mispredicted and of correct test images.
    """
    rows = []
    for seed, table in topk.items():
        listed, shares = signed(table), opponent_shares(images[seed], table)
        for kind in ("proponent", "opponent"):
            values = listed.loc[listed["kind"].to_numpy() == kind, "influence"].astype(np.float64)
            spread = values.describe()
            rows.append(
                {
                    "seed": seed,
                    "kind": kind,
                    "pairs": len(values),
                    **{name: spread[name] for name in ("mean", "std", "min")},
                    "q25": spread["25%"],
                    "median": spread["50%"],
                    "q75": spread["75%"],
                    "max": spread["max"],
                    "opponents_of_mispredicted": shares.loc[shares["wrong"], "share"].mean(),
                    "opponents_of_correct": shares.loc[~shares["wrong"], "share"].mean(),
                }
            )
    return pd.DataFrame(rows)


def confusion_pairs(images: Runs) -> pd.DataFrame:
    """Test images of one label taken for one other class, over all runs, the most first.

    Columns label, predicted, runs_seen, runs, mean_count, min_count, max_count (over all runs),
    share_of_label (of the test images of that label, on average).
    """
    per_run = {seed: _pairs(table) for seed, table in images.items()}
    counts = pd.DataFrame(per_run).fillna(0)
    counts.index = counts.index.set_names(["label", "predicted"])
    first = next(iter(images.values()))
    tests = first.loc[first["split"] == "test", "label"].value_counts()
    table = pd.DataFrame(
        {
            "runs_seen": (counts > 0).sum(axis=1),
            "runs": len(images),
            "mean_count": counts.mean(axis=1),
            "min_count": counts.min(axis=1).astype(int),
            "max_count": counts.max(axis=1).astype(int),
        }
    ).reset_index()
    table["share_of_label"] = table["mean_count"] / tests.loc[table["label"]].to_numpy()
    return table.sort_values(
        ["mean_count", "label", "predicted"], ascending=[False, True, True]
    ).reset_index(drop=True)


def _pairs(images: pd.DataFrame) -> pd.Series:
    wrong = images[(images["split"] == "test") & images["wrong"]]
    return wrong.groupby(["label", "predicted"]).size()


def class_error_rates(images: Runs) -> pd.DataFrame:
    """Error rate of each class of test images over the runs, the highest mean first.

    Columns label, images, runs, mean_error, std_error, min_error, max_error.
    """
    rates = pd.DataFrame({seed: _errors(table) for seed, table in images.items()})
    first = next(iter(images.values()))
    table = pd.DataFrame(
        {
            "images": first.loc[first["split"] == "test", "label"].value_counts(),
            "runs": len(images),
            "mean_error": rates.mean(axis=1),
            "std_error": rates.std(axis=1),
            "min_error": rates.min(axis=1),
            "max_error": rates.max(axis=1),
        }
    )
    table.index.name = "label"
    return (
        table.reset_index()
        .sort_values(["mean_error", "label"], ascending=[False, True])
        .reset_index(drop=True)
    )


def _errors(images: pd.DataFrame) -> pd.Series:
    test = images[images["split"] == "test"]
    return test["wrong"].groupby(test["label"]).mean()


def accuracies(images: Runs) -> dict[int, float]:
    """Share of the test images predicted as labelled, per seed."""
    return {
        seed: 1 - float(table.loc[table["split"] == "test", "wrong"].mean())
        for seed, table in images.items()
    }


def cross_run_tables(
    images: Runs, topk: Runs, influential: int, min_runs: int
) -> dict[str, pd.DataFrame]:
    """Every table of this module by its name."""
    return {
        "persistent_mispredictions": persistent_mispredictions(images, min_runs),
        "consistent_influences": consistent_influences(images, topk, influential, min_runs),
        "influence_statistics": influence_statistics(images, topk),
        "confusion_pairs": confusion_pairs(images),
        "class_error_rates": class_error_rates(images),
    }


def run_summary(tables: Mapping[str, pd.DataFrame], images: Runs, min_runs: int) -> str:
    """What the runs agree on, as a few lines of plain text."""
    accuracy = list(accuracies(images).values())
    persistent = tables["persistent_mispredictions"]
    splits = persistent["split"].value_counts()
    worst, pairs = tables["class_error_rates"].head(3), tables["confusion_pairs"].head(3)
    effects = tables["consistent_influences"]["effect"].value_counts()
    mean = share(float(np.mean(accuracy)))
    lines = [
        f"{len(images)} runs, seeds {', '.join(map(str, images))}.",
        f"Test accuracy: mean {mean} (from {share(min(accuracy))} to {share(max(accuracy))}).",
        f"Wrong in at least {min_runs} runs: {len(persistent):,} images, "
        f"{splits.get('test', 0):,} of them test images, {splits.get('train', 0):,} training "
        "images.",
        "Training images that are among the strongest in at least "
        f"{min_runs} runs: {sum(effects):,} ({effects.get('helpful', 0):,} helpful, "
        f"{effects.get('harmful', 0):,} harmful, {effects.get('mixed', 0):,} mixed).",
        "Classes with the highest error rate:",
        *[
            f"  {row['label']}: {percent(row['mean_error'])} ({percent(row['min_error'])} to "
            f"{percent(row['max_error'])}) of {row['images']:,} test images"
            for row in worst.to_dict("records")
        ],
        "Most frequent confusions:",
        *[
            f"  {row['label']} taken for {row['predicted']}: {row['mean_count']:,.1f} per run, "
            f"in {row['runs_seen']} of {row['runs']} runs"
            for row in pairs.to_dict("records")
        ],
    ]
    return "\n".join(lines) + "\n"
