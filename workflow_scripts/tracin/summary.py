"""The one page that says what a run found and what to do next."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, StrictUndefined
from PIL import Image

from tracin.units import percent, share, whole_percent

HARMFUL = 5
PAIRS = 5
THUMBNAIL = 96
WORDS = {"percent": percent, "share": share, "whole_percent": whole_percent}
MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|!&])")


def summarise(
    label_set: str,
    evaluations: Mapping[int, dict[str, Any]],
    mispredictions: Mapping[int, pd.DataFrame],
    counted: Mapping[int, pd.DataFrame],
    label_errors: dict[str, Any],
    top_n: int,
    contradicting: int = 0,
) -> dict[str, Any]:
    """What the runs of one label set found, ready for JSON.

    Each mapping is by seed: the evaluation of the test split, the table of mispredictions, and
    appearances as from `tracin.crossref.appearances`. `label_errors` is what estimate.json says;
    the review page shows `top_n` images. `contradicting` is what `contradictions` counts.
    """
    runs = [_run(s, result, mispredictions[s]["split"]) for s, result in evaluations.items()]
    accuracies = [run["accuracy"] for run in runs]
    found = {
        "label_set": label_set,
        "runs": runs,
        "accuracy": {
            "mean": float(np.mean(accuracies)),
            "min": min(accuracies),
            "max": max(accuracies),
        },
        "planted_noise": next(iter(evaluations.values())).get("planted_noise", 0),
        "confusions": _confusions(mispredictions),
        "label_errors": label_errors | {"pairs": label_errors["pairs"][:PAIRS]},
        "most_harmful": _most_harmful(counted),
        "next_steps": [
            *_contradictions(contradicting),
            *_next_steps(label_set, runs, label_errors, top_n),
        ],
    }
    return found | {"short": _short(found)}


def contradictions(manifest: pd.DataFrame, labels: pd.DataFrame) -> int:
    """How many training images have the bytes of another one that is labelled otherwise."""
    used = ((manifest["split"] == "train") & labels["keep"]).to_numpy()
    groups = labels.loc[used, "label_index"].groupby(manifest.loc[used, "sha256"].to_numpy())
    return int((groups.transform("nunique") > 1).sum())


def _contradictions(images: int) -> list[dict[str, str]]:
    if not images:
        return []
    what = f"Choose between the labels of {images:,} training images with equal bytes"
    return [{"do": what, "open": "results/dataset/conflicts.csv"}]


def _run(seed: int, result: dict[str, Any], wrong: pd.Series) -> dict[str, Any]:
    """One run's numbers; `wrong` has the split of each misprediction."""
    numbers = {name: result[name] for name in ("accuracy", "loss", "images")}
    counts = {split: int((wrong == split).sum()) for split in ("test", "val", "train")}
    return {"seed": seed, **numbers, "mispredictions": counts}


def _confusions(mispredictions: Mapping[int, pd.DataFrame]) -> list[dict[str, Any]]:
    joined = pd.concat(list(mispredictions.values()))
    test = joined[joined["split"] == "test"]
    counts = test.groupby(["label", "predicted"]).size().rename("count").reset_index()
    top = counts.sort_values("count", ascending=False, kind="stable").head(PAIRS)
    return _records(top)


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _most_harmful(counted: Mapping[int, pd.DataFrame]) -> list[dict[str, Any]]:
    """The training images of the most negative summed influence in the lists of all runs."""
    joined = pd.concat(list(counted.values()))
    table = joined.groupby("train_id", as_index=False).agg(
        path=("path", "first"),
        label=("label", "first"),
        appearances=("appearances", "sum"),
        total_influence=("total_influence", "sum"),
    )
    harmful = table[table["total_influence"] < 0].sort_values(["total_influence", "train_id"])
    return _records(harmful.head(HARMFUL))


def _next_steps(
    label_set: str, runs: list[dict[str, Any]], label_errors: dict[str, Any], top_n: int
) -> list[dict[str, str]]:
    """What to do, each with a file to open or a command to run."""
    folder = f"results/{label_set}"
    steps = []
    if wanted := label_errors["suggested_cut"]:
        cut = f"the {wanted:,} most suspicious training labels"
        if wanted > top_n:
            cut = f"the first {top_n:,} (review.top_n) of {cut}"
        steps += [
            {"do": f"Decide on {cut} in a browser and save", "open": f"{folder}/review/index.html"},
            {"do": "Retrain on the corrected labels", "run": "snakemake --cores all corrected"},
        ]
    elif mistaken := [run["seed"] for run in runs if run["mispredictions"]["test"]]:
        mistakes = f"{folder}/seed{mistaken[0]}/figures/mistakes_explained.png"
        steps.append({"do": "Look at the mistakes and the images behind them", "open": mistakes})
    report = {
        "do": "Put every figure and table on one page",
        "run": "snakemake --report report.html",
    }
    return [*steps, report]


def _short(found: dict[str, Any]) -> list[str]:
    """The summary in a few lines, for the end of a run, which adds the next steps."""
    accuracy, runs = share(found["accuracy"]["mean"], 3), found["runs"]
    several = f", mean of {len(runs)} runs" if len(runs) > 1 else ""
    wrong = sum(run["mispredictions"]["test"] for run in runs) / len(runs)
    lines = [
        f"{found['label_set']}: test accuracy {accuracy} on {runs[0]['images']:,} "
        f"images{several}; {wrong:,.4g} mispredicted"
    ]
    if found["planted_noise"]:
        lines.append(
            f"{100 * found['planted_noise']:.4g}% of the training labels were flipped on purpose "
            "(dataset.planted_noise)"
        )
    errors = found["label_errors"]
    lines.append(
        f"about {errors['estimated_errors']:,} of {errors['images']:,} training labels look wrong"
    )
    return [*lines, f"All of it on one page: results/{found['label_set']}/summary.html"]


def render_html(template: str, found: dict[str, Any], pixels: np.ndarray) -> str:
    """The page, with thumbnails of the harmful images; `pixels` is uint8 [n, H, W, 3]."""
    thumbnails = {
        row["train_id"]: png_uri(pixels[row["train_id"]]) for row in found["most_harmful"]
    }
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.globals |= WORDS
    return environment.from_string(template).render(found, thumbnails=thumbnails)


def render_markdown(template: str, found: dict[str, Any]) -> str:
    """The same as Markdown; names and paths appear as they are, whatever they hold."""
    environment = Environment(
        finalize=_escaped, undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True
    )
    environment.globals |= WORDS
    return environment.from_string(template).render(found)


def _escaped(value: Any) -> Any:
    if not isinstance(value, str) or hasattr(value, "__html__"):
        return value
    return MARKDOWN.sub(r"\\\1", " ".join(value.split()))


def png_uri(image: np.ndarray) -> str:
    """An image, uint8 [H, W, 3], as a data URI of at most 96 pixels a side."""
    picture = Image.fromarray(np.asarray(image))
    picture.thumbnail((THUMBNAIL, THUMBNAIL))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
