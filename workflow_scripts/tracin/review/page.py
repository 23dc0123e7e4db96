"""The review page: suspects and their evidence as one self-contained HTML file."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tracin.label_errors.reasons import parts
from tracin.review.corrections import COLUMNS
from tracin.review.thumbnails import embed

TEMPLATES = Path(__file__).parent
SCRIPTS = ("decisions.js", "rows.js", "view.js", "page.js", "files.js", "keys.js", "start.js")
EVIDENCE = ("proponents", "opponents", "neighbours")
# Thumbnails per kind of evidence, and test mistakes, shown for one suspect.
SHOWN = 6
# What a share below one is rounded to at most: one is said of what is certain.
MOST = 0.9999


@dataclass(frozen=True)
class ReviewData:
    """What a page is made of.

    `manifest` and `labels` have a row per accepted image, `suspects` one per kept training image,
    `mispredictions` and `topk` those of all seeds together; `pixels` is uint8 [n, H, W, 3].
    `corrections` are decisions that the label set already has, empty for the original labels.
    """

    name: str
    classes: list[str]
    manifest: pd.DataFrame
    labels: pd.DataFrame
    suspects: pd.DataFrame
    estimate: Mapping[str, Any]
    mispredictions: pd.DataFrame
    topk: pd.DataFrame
    pixels: np.ndarray
    corrections: pd.DataFrame


def review_page(data: ReviewData, top_n: int, threads: int = 1) -> str:
    """The page with the first `top_n` suspects; it loads nothing and runs its own script only."""
    return render(page_data(data, top_n, threads))


def page_data(data: ReviewData, top_n: int, threads: int) -> dict[str, Any]:
    """Everything that the page shows, ready for JSON; images are named by sample id."""
    top = data.suspects.sort_values("rank").head(top_n)
    mistakes = mistakes_of(data, top["train_id"].to_numpy())
    items = _items(data, top, mistakes)
    shown = {id_ for item in items for kind in EVIDENCE for id_ in item[kind]}
    shown |= {mistake["id"] for item in items for mistake in item["mistakes"]}
    suspects = [item["id"] for item in items]
    large, small = embed(data.pixels, suspects, sorted(shown | set(suspects)), threads)
    facts = data.manifest.set_index("sample_id")[["path"]]
    facts["label"] = np.array(data.classes, dtype=object)[data.labels["label_index"]]
    return {
        "key": f"tracin-review:{fingerprint(data.manifest)}:{data.name}",
        "labels": data.name,
        "classes": data.classes,
        "training": checksums(data.manifest),
        "estimate": dict(data.estimate),
        "items": items,
        "images": {i: facts.loc[i].to_list() for i in sorted(shown | set(suspects))},
        "large": large,
        "small": small,
        "pixelated": data.pixels.shape[1] <= 64,
        "decisions": _decisions(data),
    }


def fingerprint(manifest: pd.DataFrame) -> str:
    """Stands for images, splits and labels, whatever their order: 16 digits of a SHA-256.

    Decisions about other splits or labels are another review's. The labels are the original ones,
    so the corrections of a round leave the fingerprint as it is.
    """
    digest = hashlib.sha256()
    for row in sorted(manifest[["path", "sha256", "split", "label"]].itertuples(index=False)):
        digest.update(json.dumps(row).encode())
    return digest.hexdigest()[:16]


def checksums(manifest: pd.DataFrame) -> str:
    """By these the page knows the training images: base64 of a little-endian CRC-32 of each.

    Four bytes for each of path, bytes and original label tell a file of another data set apart.
    """
    train = manifest[manifest["split"] == "train"]
    texts = train["path"] + "\0" + train["sha256"] + "\0" + train["label"]
    sums = np.array([zlib.crc32(text.encode()) for text in texts], dtype="<u4")
    return base64.b64encode(sums.tobytes()).decode("ascii")


def mistakes_of(data: ReviewData, suspects: np.ndarray) -> dict[int, list[dict[str, Any]]]:
    """By suspect, the test mistakes in whose lists it stands, strongest influence first."""
    wrong = data.mispredictions[data.mispredictions["split"] == "test"]
    wrong = wrong.groupby("sample_id")[["label", "predicted"]].first()
    pairs = data.topk[data.topk["test_id"].isin(wrong.index) & data.topk["train_id"].isin(suspects)]
    pairs = pairs.groupby(["train_id", "test_id"])["influence"].mean().reset_index()
    pairs = pairs.join(wrong, on="test_id")
    strongest = pairs["influence"].abs().sort_values(ascending=False, kind="stable").index
    found: dict[int, list[dict[str, Any]]] = {}
    for row in pairs.loc[strongest].to_dict("records"):
        listed = found.setdefault(int(row["train_id"]), [])
        if len(listed) < SHOWN:
            listed.append(
                {
                    "id": int(row["test_id"]),
                    "label": row["label"],
                    "predicted": row["predicted"],
                    "influence": float(row["influence"]),
                }
            )
    return found


def signal_columns(suspects: pd.DataFrame) -> list[str]:
    """The columns of `suspects` that hold a signal, whichever there are."""
    start = list(suspects.columns).index("reasons") + 1
    return [
        str(name)
        for name, kind in suspects.dtypes.iloc[start:].items()
        if pd.api.types.is_float_dtype(kind)
    ]


def _items(
    data: ReviewData, top: pd.DataFrame, mistakes: Mapping[int, list[dict[str, Any]]]
) -> list[dict[str, Any]]:
    """One entry per suspect; a signal is given as the share of the images that it exceeds."""
    signals = signal_columns(data.suspects)
    shares = exceeded(data.suspects[signals]).loc[top.index]
    facts = data.manifest.set_index("sample_id")
    items = []
    for index, row in zip(top.index, top.to_dict("records"), strict=True):
        sample = int(row["train_id"])
        known = {name: float(shares.loc[index, name]) for name in signals}
        items.append(
            {
                "id": sample,
                "path": row["path"],
                "sha256": facts.loc[sample, "sha256"],
                "rank": int(row["rank"]),
                "reviewed": bool(row["reviewed"]),
                "label": row["label"],
                "original": facts.loc[sample, "label"],
                "suggested": row["suggested_label"],
                "probability": _number(row["suggested_probability"]),
                "others": list(row["other_labels"]),
                "suspicion": _number(row["suspicion"]),
                "reasons": parts(str(row["reasons"] or ""), row["suggested_label"]),
                "signals": {name: share for name, share in known.items() if share == share},
                **{kind: _ids(row.get(kind)) for kind in EVIDENCE},
                "mistakes": mistakes.get(sample, []),
            }
        )
    return items


def exceeded(signals: pd.DataFrame) -> pd.DataFrame:
    """The share of the images whose signal is lower, for each image and signal [n, signals]."""
    lower = signals.rank(method="min") - 1
    return (lower / signals.count()).round(4).clip(upper=MOST)


def _number(value: Any) -> float | None:
    if pd.isna(value):
        return None
    rounded = round(float(value), 4)
    return rounded if rounded < 1 or value >= 1 else MOST


def _ids(values: Any) -> list[int]:
    return [] if values is None else [int(value) for value in list(values)[:SHOWN]]


def _decisions(data: ReviewData) -> list[dict[str, str]]:
    """What the person decided; what follows from it for copies is made anew by the next round."""
    rows = data.corrections.to_dict("records")
    return [{name: row[name] for name in COLUMNS} for row in rows if not row["copied"]]


def render(data: Mapping[str, Any]) -> str:
    """The HTML of a page about `data`."""
    style = (TEMPLATES / "page.css").read_text(encoding="utf-8")
    script = "\n".join((TEMPLATES / name).read_text(encoding="utf-8") for name in SCRIPTS)
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_source(style)}'; "
        f"script-src '{_source(script)}'; base-uri 'none'; form-action 'none'"
    )
    parts = {
        "policy": html.escape(policy),
        "style": style,
        "script": script,
        "data": script_safe(data),
    }
    template = (TEMPLATES / "page.html").read_text(encoding="utf-8")
    # One pass: a part that happens to hold another part's mark is left alone.
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match.group(1)], template)


def script_safe(data: Any) -> str:
    """JSON that can stand in a script element: ASCII, and nothing in it ends or opens a tag."""
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _source(text: str) -> str:
    """The name by which a content security policy allows exactly this script or style."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
