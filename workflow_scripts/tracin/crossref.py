"""Mistakes crossed with the training images behind them.

A list of `topk` holds a pair of images under the kind that its place in the ranking gives. Where
k nears the number of training images, a list of opponents ends in images that help, so whatever
counts or averages here first keeps the pairs whose influence has the sign of their kind: positive
influence lowers the loss on the test image (helpful), negative raises it (harmful).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from tracin.errors import UserError


def image_table(
    predictions: pd.DataFrame, manifest: pd.DataFrame, classes: list[str]
) -> pd.DataFrame:
    """What is known of each image, indexed by sample_id.

    Columns path, split, label_index, predicted_index, label, predicted, confidence, wrong, and
    true_label (null where the truth is not known).

    Raises:
        UserError: the two tables list different images.
    """
    joined = predictions.merge(
        manifest[["sample_id", "path", "true_label"]],
        on="sample_id",
        how="outer",
        validate="1:1",
        indicator=True,
    )
    if (joined["_merge"] != "both").any():
        raise UserError(
            "Predictions and manifest list different images. Run again with --forcerun predict."
        )
    names = np.array(classes, dtype=object)
    table = joined.set_index("sample_id")[
        ["path", "split", "label_index", "predicted_index", "confidence", "true_label"]
    ]
    return table.assign(
        label=names[table["label_index"]],
        predicted=names[table["predicted_index"]],
        wrong=table["label_index"] != table["predicted_index"],
    )


def influence_analysis(images: pd.DataFrame, topk: pd.DataFrame) -> pd.DataFrame:
    """Every mispredicted test image beside each training image of its lists.

    Columns test_id, test_path, test_label, predicted, confidence, kind, rank, train_id,
    train_path, train_label, influence; `images` as from `image_table`.
    """
    wrong = images.index[images["wrong"] & (images["split"] == "test")]
    rows = topk[topk["test_id"].isin(wrong)].sort_values(["test_id", "kind", "rank"])
    test, train = images.loc[rows["test_id"]], images.loc[rows["train_id"]]
    return pd.DataFrame(
        {
            "test_id": rows["test_id"].to_numpy(),
            "test_path": test["path"].to_numpy(),
            "test_label": test["label"].to_numpy(),
            "predicted": test["predicted"].to_numpy(),
            "confidence": test["confidence"].to_numpy(),
            "kind": rows["kind"].to_numpy(),
            "rank": rows["rank"].to_numpy(),
            "train_id": rows["train_id"].to_numpy(),
            "train_path": train["path"].to_numpy(),
            "train_label": train["label"].to_numpy(),
            "influence": rows["influence"].to_numpy(),
        }
    )


def cross_analysis(analysis: pd.DataFrame, images: pd.DataFrame) -> pd.DataFrame:
    """The rows of `influence_analysis` whose training image is itself mispredicted.

    Adds train_predicted, train_confidence and same_error: both carry the same label and are taken
    for the same other class.
    """
    rows = analysis[images["wrong"].loc[analysis["train_id"]].to_numpy()].reset_index(drop=True)
    train = images.loc[rows["train_id"]]
    predicted = train["predicted"].to_numpy()
    same = (rows["train_label"] == rows["test_label"]) & (rows["predicted"] == predicted)
    return rows.assign(
        train_predicted=predicted,
        train_confidence=train["confidence"].to_numpy(),
        same_error=same,
    )


def signed(topk: pd.DataFrame) -> pd.DataFrame:
    """The rows whose influence has the sign of their kind; each pair of images stands in one."""
    side = np.where(topk["kind"].to_numpy() == "proponent", 1.0, -1.0)
    return topk[topk["influence"].to_numpy() * side > 0]


def appearances(images: pd.DataFrame, topk: pd.DataFrame) -> pd.DataFrame:
    """How many test images each training image is in the lists of, the most first.

    Columns train_id, path, label, appearances, as_proponent, as_opponent, mispredicted (of those
    test images), total_influence, mean_influence.
    """
    rows = signed(topk)
    counted = _counts(rows, ["train_id"], images["wrong"].loc[rows["test_id"]].to_numpy())
    train = images.loc[counted["train_id"]]
    counted.insert(1, "path", train["path"].to_numpy())
    counted.insert(2, "label", train["label"].to_numpy())
    return counted.sort_values(["appearances", "train_id"], ascending=[False, True]).reset_index(
        drop=True
    )


def appearances_by_class(images: pd.DataFrame, topk: pd.DataFrame) -> pd.DataFrame:
    """As `appearances`, for each training image and class of test images: one row per pair.

    Columns train_id, label, test_label, then the counts of `appearances`.
    """
    rows = signed(topk)
    keyed = rows.assign(test_class=images["label_index"].loc[rows["test_id"]].to_numpy())
    wrong = images["wrong"].loc[rows["test_id"]].to_numpy()
    counted = _counts(keyed, ["train_id", "test_class"], wrong)
    names = images.drop_duplicates("label_index").set_index("label_index")["label"]
    counted.insert(1, "label", images["label"].loc[counted["train_id"]].to_numpy())
    counted.insert(2, "test_label", names.loc[counted["test_class"]].to_numpy())
    return counted.drop(columns="test_class").reset_index(drop=True)


def _counts(rows: pd.DataFrame, keys: list[str], wrong: np.ndarray) -> pd.DataFrame:
    influence = rows["influence"].to_numpy(np.float64)
    grouped = (
        rows[keys]
        .assign(
            appearances=1,
            as_proponent=(influence > 0).astype(np.int64),
            as_opponent=(influence < 0).astype(np.int64),
            mispredicted=wrong.astype(np.int64),
            total_influence=influence,
        )
        .groupby(keys, as_index=False)
        .sum()
    )
    return grouped.assign(mean_influence=grouped["total_influence"] / grouped["appearances"])


def by_total_influence(counted: pd.DataFrame, helpful: bool) -> pd.DataFrame:
    """The images that help (or harm) in all, the largest sum first; ties by id.

    What a list leaves out is weaker than what it holds, so a sum that takes it for nothing comes
    near that over all test images. A mean over the lists that an image is in would not: one that
    stands in a single list for its harm may help everywhere else.
    """
    sign = 1 if helpful else -1
    chosen = counted[counted["total_influence"] * sign > 0]
    order = (-sign * chosen["total_influence"]).to_numpy()
    return chosen.iloc[np.lexsort((chosen["train_id"].to_numpy(), order))].reset_index(drop=True)


def class_influence(images: pd.DataFrame, topk: pd.DataFrame, classes: int) -> np.ndarray:
    """Influence of training classes (rows) on test classes (columns), [C, C].

    The influences listed for a test image are summed over the training class, then averaged over
    the test images of the column that have lists.
    """
    rows = signed(topk)
    label = images["label_index"]
    train = label.loc[rows["train_id"]].to_numpy(np.int64)
    test = label.loc[rows["test_id"]].to_numpy(np.int64)
    total = np.bincount(
        train * classes + test, rows["influence"].to_numpy(np.float64), minlength=classes**2
    ).reshape(classes, classes)
    listed = label.loc[topk["test_id"].unique()].to_numpy(np.int64)
    tests = np.bincount(listed, minlength=classes)
    return np.divide(total, tests, out=np.zeros(total.shape), where=tests > 0)


def confusion(images: pd.DataFrame, classes: int) -> np.ndarray:
    """Test images by label (rows) and prediction (columns), int [C, C]."""
    test = images[images["split"] == "test"]
    pairs = test["label_index"].to_numpy(np.int64) * classes + test["predicted_index"]
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def most_confused(counts: np.ndarray, most: int) -> np.ndarray:
    """The `most` classes with the most mistakes, as label or as prediction: rising indices.

    `counts` [C, C] as from `confusion`. The lower of two equal ones is taken first.
    """
    mistakes = counts - np.diag(np.diag(counts))
    order = np.argsort(-(mistakes.sum(axis=0) + mistakes.sum(axis=1)), kind="stable")
    return np.sort(order[:most])


def opponent_shares(images: pd.DataFrame, topk: pd.DataFrame) -> pd.DataFrame:
    """Share of opponents among the k strongest training images of each test image.

    The lists hold k of each kind, so the k largest sizes of influence are all in them. Columns
    test_id, share, wrong.
    """
    k = int(topk["rank"].max()) if len(topk) else 0
    rows = signed(topk)
    size = rows["influence"].abs().to_numpy()
    order = np.lexsort((-size, rows["test_id"].to_numpy()))
    ordered = rows[["test_id", "influence"]].iloc[order]
    strongest = ordered[ordered.groupby("test_id").cumcount().to_numpy() < k]
    share = (strongest["influence"] < 0).groupby(strongest["test_id"]).mean()
    return pd.DataFrame(
        {
            "test_id": share.index,
            "share": share.to_numpy(),
            "wrong": images["wrong"].loc[share.index].to_numpy(),
        }
    )
