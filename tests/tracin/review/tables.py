"""A small data set with suspects, and names that try to be markup, formulas and keys."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pandas as pd

from tracin.review.page import ReviewData

HOSTILE = "</script><script>window.ran = 1</script>"
CLASSES = ["=cmd()|'/C calc'!A0", HOSTILE, '<img src=x onerror="window.ran=1">', 'dog, "big"\nred']
PATHS = [
    f"{HOSTILE}.png",
    '"><img src=x onerror=window.ran=1>.png',
    '=HYPERLINK("http://evil")',
    "+1.png",
    "-1.png",
    "@SUM(A1)",
    "a\nb,c.png",
    "__proto__",
    "{{script}}\u2028.png",
    "'quoted'.png",
]


def review_data(
    suspects: int = 20,
    classes: list[str] | None = None,
    paths: list[str] | None = None,
    side: int = 32,
    **changes: Any,
) -> ReviewData:
    """`suspects` training images and half as many test images, all of noise `side` pixels wide."""
    classes = classes or ["cat", "cow", "dog"]
    random = np.random.default_rng(0)
    total = suspects + suspects // 2
    names = [*(paths or []), *(f"cat/{i}.png" for i in range(total))][:total]
    codes = np.arange(total) % len(classes)
    label = np.array(classes, dtype=object)[codes]
    tests = np.arange(suspects, total)
    facts = {
        "name": "original",
        "classes": classes,
        "manifest": listed(names, label, suspects),
        "labels": pd.DataFrame(
            {"sample_id": np.arange(total), "label_index": codes.astype(np.int16), "keep": True}
        ),
        "suspects": suspected(names[:suspects], label[:suspects], classes),
        "estimate": {"images": suspects, "estimated_errors": 5, "suggested_cut": 6},
        "mispredictions": pd.DataFrame(
            {
                "sample_id": tests,
                "split": "test",
                "label": label[suspects:],
                "predicted": label[: len(tests)],
            }
        ),
        "topk": lists(tests, suspects),
        "pixels": random.integers(0, 255, (total, side, side, 3), dtype=np.uint8),
        "corrections": pd.DataFrame(),
    }
    return ReviewData(**(facts | changes))


def listed(names: list[str], label: np.ndarray, suspects: int) -> pd.DataFrame:
    """The manifest: suspects are training images, the others test images."""
    return pd.DataFrame(
        {
            "sample_id": np.arange(len(names)),
            "path": names,
            "sha256": [hashlib.sha256(name.encode()).hexdigest() for name in names],
            "split": ["train"] * suspects + ["test"] * (len(names) - suspects),
            "label": label,
            "true_label": None,
        }
    )


def suspected(names: list[str], label: np.ndarray, classes: list[str]) -> pd.DataFrame:
    """The suspects, worst first; the label next to each one's own is suggested."""
    random, train = np.random.default_rng(1), np.arange(len(names))
    following = dict(zip(classes, [*classes[1:], classes[0]], strict=True))
    return pd.DataFrame(
        {
            "train_id": train,
            "path": names,
            "label": label,
            "suggested_label": [following[name] for name in label],
            "suggested_probability": np.float32(0.9),
            "suspicion": np.linspace(1, 0, len(names), dtype=np.float32),
            "rank": (train + 1).astype(np.int32),
            "suspected": train < len(names) // 2,
            "reviewed": False,
            "reasons": "the model gives the label 1%; neighbours disagree",
            "loss_final": random.random(len(names)).astype(np.float32),
            "a_new_signal": random.random(len(names)).astype(np.float32),
            "other_labels": [
                [c for c in classes if c not in (name, following[name])][:10] for name in label
            ],
            "opponents": [random.choice(train, 6).tolist() for _ in train],
            "proponents": [random.choice(train, 6).tolist() for _ in train],
            "neighbours": [random.choice(train, 6).tolist() for _ in train],
        }
    )


def lists(tests: np.ndarray, suspects: int) -> pd.DataFrame:
    """A proponent and an opponent for each test image."""
    return pd.DataFrame(
        {
            "test_id": np.repeat(tests, 2),
            "kind": ["proponent", "opponent"] * len(tests),
            "rank": 1,
            "train_id": np.arange(2 * len(tests)) % suspects,
            "influence": np.where(np.arange(2 * len(tests)) % 2, -1.5, 1.5),
        }
    )
