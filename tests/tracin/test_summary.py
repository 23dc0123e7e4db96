"""The summary: its numbers, its next steps, and that names in it stay text."""

from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.conftest import ROOT
from tracin.files import write_json
from tracin.summary import contradictions, render_html, render_markdown, summarise

HOSTILE = "<script>alert(1)</script>|*x*`[a](b)\n&amp;"
ERRORS = {
    "images": 900,
    "estimated_errors": 120,
    "estimated_share": 0.1333,
    "suggested_cut": 150,
    "expected_precision": [0.5, 0.75],
    "pairs": [{"label": "cat", "suggested_label": "dog", "count": 9 - i} for i in range(9)],
}


CLEAN = ERRORS | {"estimated_errors": 0, "estimated_share": 0.0, "suggested_cut": 0, "pairs": []}


def found(
    seeds: int = 1, errors: dict[str, Any] = CLEAN, mistakes: int = 3, **more: int
) -> dict[str, Any]:
    wrong = pd.DataFrame(
        {
            "split": (["test"] * mistakes)[:mistakes],
            "label": [HOSTILE] * mistakes,
            "predicted": ["dog"] * mistakes,
        }
    )
    counted = pd.DataFrame(
        {
            "train_id": range(8),
            "path": [HOSTILE] * 8,
            "label": ["cat"] * 8,
            "appearances": [2] * 8,
            "total_influence": [-2.0 * i for i in range(8)],
        }
    )
    evaluations = {
        seed: {"accuracy": 0.9 + seed / 100, "loss": 0.3, "images": 1000, "planted_noise": 0.125}
        for seed in range(seeds)
    }
    every = range(seeds)
    return summarise(
        "original",
        evaluations,
        dict.fromkeys(every, wrong),
        dict.fromkeys(every, counted),
        errors,
        **({"top_n": 200} | more),
    )


SPREAD = ("mean", "min", "max")


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[dict[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.append(dict(attrs))

    def handle_data(self, data: str) -> None:
        self.text += data


def page(summary: dict[str, Any]) -> Tags:
    template = (ROOT / "report" / "summary.html.jinja").read_text(encoding="utf-8")
    pixels = np.zeros((8, 300, 300, 3), dtype=np.uint8)
    parser = Tags()
    parser.feed(render_html(template, summary, pixels))
    return parser


def markdown(summary: dict[str, Any]) -> str:
    return render_markdown((ROOT / "report" / "summary.md.jinja").read_text("utf-8"), summary)


def test_numbers_and_json(tmp_path: Path) -> None:
    summary = found(seeds=3, errors=ERRORS)
    assert summary["accuracy"] == pytest.approx({"mean": 0.91, "min": 0.9, "max": 0.92})
    assert summary["runs"][2]["mispredictions"] == {"test": 3, "val": 0, "train": 0}
    assert [row["train_id"] for row in summary["most_harmful"]] == [7, 6, 5, 4, 3]
    assert summary["most_harmful"][0]["total_influence"] == 3 * -14.0
    assert summary["most_harmful"][0]["appearances"] == 6
    assert len(summary["label_errors"]["pairs"]) == 5
    write_json(summary, tmp_path / "summary.json")


def test_without_mistakes_there_are_none_to_look_at() -> None:
    assert "mistakes" in found(errors=CLEAN)["next_steps"][0]["open"]
    assert [step["run"] for step in found(errors=CLEAN, mistakes=0)["next_steps"]] == [
        "snakemake --report report.html"
    ]


def test_images_with_two_labels_come_first() -> None:
    manifest = pd.DataFrame({"sha256": list("aabbccd"), "split": ["train"] * 5 + ["test"] * 2})
    labels = pd.DataFrame({"label_index": [0, 1, 2, 2, 0, 1, 0], "keep": True})
    assert contradictions(manifest, labels) == 2
    labels.loc[1, "keep"] = False
    assert contradictions(manifest, labels) == 0
    step = found(contradicting=2)["next_steps"][0]
    assert step["open"] == "results/dataset/conflicts.csv" and "2 training images" in step["do"]


def test_the_review_page_may_hold_fewer_than_are_worth_it() -> None:
    wanted = f"the {ERRORS['suggested_cut']} most suspicious training labels"
    first, fewer = (found(errors=ERRORS, top_n=n)["next_steps"][0]["do"] for n in (200, 20))
    assert first == f"Decide on {wanted} in a browser and save"
    assert fewer == f"Decide on the first 20 (review.top_n) of {wanted} in a browser and save"


@pytest.mark.parametrize(
    ("precision", "text"),
    [([0.5, 0.75], "wrong, 50% to 75% of the"), ([0.998, 0.999], r"wrong, \>99% of the")],
)
def test_expected_precision_in_words(precision: list[float], text: str) -> None:
    assert text in markdown(found(errors=ERRORS | {"expected_precision": precision}))


def test_next_steps_depend_on_what_was_found() -> None:
    assert [step.get("run") for step in found(errors=ERRORS)["next_steps"]] == [
        None,
        "snakemake --cores all corrected",
        "snakemake --report report.html",
    ]
    assert found()["next_steps"][0]["open"].endswith("figures/mistakes_explained.png")


def test_the_end_of_a_run_is_short() -> None:
    lines = found(seeds=2, errors=ERRORS)["short"]
    first = "original: test accuracy 0.905 on 1,000 images, mean of 2 runs; 3 mispredicted"
    assert lines[0] == first
    assert lines[1].startswith("12.5% of the training labels were flipped on purpose")
    assert lines[2] == "about 120 of 900 training labels look wrong"
    assert lines[-1].endswith("results/original/summary.html") and len(lines) < 9


@pytest.mark.parametrize("errors", [CLEAN, ERRORS])
def test_names_are_text_in_the_page(errors: dict[str, Any]) -> None:
    parsed = page(found(errors=errors))
    assert "script" not in parsed.tags and parsed.tags.count("img") == 5
    assert "<script>alert(1)</script>" in parsed.text
    assert ("75% of the" in " ".join(parsed.text.split())) is (errors is ERRORS)


def test_names_are_text_in_markdown() -> None:
    text = markdown(found(errors=ERRORS))
    assert "<script>" not in text.replace("\\<", "")
    row = next(line for line in text.splitlines() if line.startswith("| cat |"))
    assert row.count("|") - row.count("\\|") == 5
    assert "`snakemake --cores all corrected`" in text
    assert "- cat looks like dog: 9" in text


@pytest.mark.parametrize("text", [lambda found: " ".join(page(found).text.split()), markdown])
def test_what_is_nearly_all_is_not_all(text: Callable[[dict[str, Any]], str]) -> None:
    summary = found(errors=ERRORS | {"estimated_share": 0.9996, "images": 1293})
    summary["accuracy"] = {"mean": 0.99974, "min": 0.9996, "max": 0.99999}
    summary["runs"] = [summary["runs"][0] | {"accuracy": 0.99999, "images": 12000}] * 2
    said = text(summary)
    assert "99.9% of the test images" in said and "from 99.9% to 99.9%" in said
    assert "120 of 1,293 training labels (99.9%)" in said
    assert "0.9999" in said and "12,000" in said
    assert "12.5% of the training labels were flipped" in said
    assert "100.0%" not in said and "1.0000" not in said
    assert "100.0% of the test" in text(summary | {"accuracy": dict.fromkeys(SPREAD, 1.0)})


def test_the_page_leads_to_the_review_page_and_names_its_parts() -> None:
    parsed = page(found(errors=ERRORS))
    assert [more["href"] for more in parsed.attributes if "href" in more] == ["review/index.html"]
    assert {more["alt"] for more in parsed.attributes if "alt" in more} == {
        "training image labelled cat"
    }
    heads = [more for tag, more in zip(parsed.tags, parsed.attributes, strict=True) if tag == "th"]
    assert heads and all(more["scope"] == "col" for more in heads)
    assert "main" in parsed.tags
    # Labels and paths keep the direction of what stands around them: of one pair of classes that is
    # confused, of five suggested labels, of five harmful images.
    assert parsed.tags.count("bdi") == 2 + 2 * 5 + 2 * 5
    assert not any("href" in more for more in page(found()).attributes)


def test_nothing_wrong_is_said() -> None:
    assert "No test image is mispredicted." in page(found(mistakes=0)).text
    assert "No test image is mispredicted." in markdown(found(mistakes=0))
    assert "None of the 900 training labels looks wrong." in markdown(found())
