"""Corrections as a label set: what runs, what is refused, and that the original stays as it is."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import CORES, ROOT, snakemake
from tests.rules.test_plan import AFTER_TRAINING, jobs, setting
from tracin.review.corrections import COLUMNS, Correction, write_corrections

WHEN = "2026-11-24T10:00:00Z"


def oracle(folder: Path, **changes: str) -> Path:
    """Corrections of the training images whose label is wrong, and of one that is right."""
    manifest = pd.read_parquet(folder / "results/dataset/manifest.parquet")
    train = manifest[manifest["split"] == "train"]
    wrong = train["label"] != train["true_label"]
    rows = [
        Correction(0, r["path"], r["sha256"], "relabel", r["true_label"], r["label"], "", WHEN)
        for r in train[wrong].to_dict("records")
    ]
    kept = train[~wrong].iloc[0]
    rows.append(Correction(0, kept["path"], kept["sha256"], "keep", "", kept["label"], "", WHEN))
    rows[0] = Correction(**vars(rows[0]) | changes)
    path = folder / "data" / "corrections.csv"
    write_corrections(rows, path)
    return path


@pytest.fixture
def finished(demo: Path, tmp_path: Path) -> Path:
    """A copy of the finished run that may be changed."""
    shutil.copytree(demo, tmp_path / "run", symlinks=True)
    return tmp_path / "run"


def test_page_and_exports(finished: Path) -> None:
    targets = [f"results/original/{n}" for n in ("review/index.html", "export/manifest.csv")]
    targets.append("results/original/export/images")
    snakemake(finished, "--cores", "1", *targets)
    assert "Content-Security-Policy" in (finished / targets[0]).read_text()
    assert len(pd.read_csv(finished / targets[1])) == 1797
    assert len(list((finished / targets[2]).glob("*/*/*.png"))) == 1797
    assert jobs(snakemake(finished, "-n", *targets)) == {}
    for key, value, rule in (("top_n", 7, "review_page"), ("export", "copy", "export_images")):
        with setting(finished, f"review.{key}", value) as overlay:
            output = snakemake(finished, "-n", *targets, "--configfile", str(overlay))
        assert set(jobs(output)) == {rule}
    template = finished / "workflow_scripts/tracin/review/page.css"
    template.write_text(template.read_text() + "/* edited */")
    assert set(jobs(snakemake(finished, "-n", *targets))) == {"review_page"}


def test_page_of_the_corrected_labels_knows_the_decisions(finished: Path) -> None:
    oracle(finished)
    output = snakemake(finished, "-n", "results/corrected/review/index.html")
    assert {"review_page", "label_set_corrected"} <= set(jobs(output))


def test_without_a_file_it_says_what_to_do(workflow: Path) -> None:
    output = snakemake(workflow, "-n", "corrected", check=False)
    told = "\nError: data/corrections.csv does not exist. Open results/original/review/index.html"
    assert told in output and "Traceback" not in output


def test_corrections_run_their_own_chain_only(finished: Path) -> None:
    path = oracle(finished)
    output = snakemake(finished, "-n", "corrected")
    assert set(jobs(output)) >= AFTER_TRAINING | {"label_set_corrected", "compare"}
    assert "results/original" not in "".join(
        line for line in output.splitlines() if line.strip().startswith("output:")
    )
    assert jobs(snakemake(finished, "-n")) == {}
    path.unlink()


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"label": "ten"}, "line 2: there is no class 'ten'"),
        ({"sha256": "0" * 64}, "line 2: .* changed since it was reviewed"),
        ({"path": "gone.png"}, "line 2: the data set has no image 'gone.png'"),
    ],
)
def test_refused_corrections_change_nothing(
    finished: Path, changes: dict[str, str], problem: str
) -> None:
    oracle(finished, **changes)
    target = "results/labels/corrected.parquet"
    with pytest.raises(AssertionError, match=problem):
        snakemake(finished, "--cores", "1", target)
    assert not (finished / target).exists()


def test_retraining_on_corrections_and_comparing(finished: Path) -> None:
    """The whole loop; the original's files are the same ones afterwards."""
    original = [p for p in (finished / "results/original").rglob("*") if p.is_file()]
    times = {path: path.stat().st_mtime_ns for path in original}
    oracle(finished)
    snakemake(finished, "--cores", CORES, "results/comparison/summary.txt")
    assert {path: path.stat().st_mtime_ns for path in original} == times
    labels = pd.read_parquet(finished / "results/labels/corrected.parquet")
    manifest = pd.read_parquet(finished / "results/dataset/manifest.parquet")
    assert labels["keep"].all()
    assert (labels["label_index"] == manifest["true_label"].astype("int16")).all()
    folder = finished / "results/comparison"
    text = (folder / "summary.txt").read_text()
    assert "129 relabelled, 0 removed, 1 kept" in text and "beyond noise" in text
    table = pd.read_parquet(folder / "comparison.parquet")
    accuracy = table[(table["class"] == "") & (table["measure"] == "accuracy")]
    evaluation = json.loads((finished / "results/original/seed0/evaluation.json").read_text())
    assert accuracy["before"].item() == pytest.approx(evaluation["accuracy"])
    assert accuracy["after"].item() > 0.93
    changes = pd.read_csv(folder / "changed_test_images.csv")
    fixed = (changes["change"] == "fixed").sum()
    assert f"Mispredictions: {fixed} fixed, {len(changes) - fixed} broken" in text
    moved = pd.read_csv(folder / "corrections_and_changes.csv")
    assert set(moved["train_id"]) <= set(labels.index[manifest["label"] != manifest["true_label"]])
    with setting(finished, "review.top_n", 7) as overlay:
        planned = jobs(snakemake(finished, "-n", "--configfile", str(overlay)))
    assert planned == {"review_page": 1, "summarise": 1}


@pytest.mark.parametrize(("key", "value"), [("top_n", 2001), ("top_n", 0), ("export", "move")])
def test_review_settings_are_checked(workflow: Path, key: str, value: object) -> None:
    with setting(workflow, f"review.{key}", value) as overlay:
        output = snakemake(workflow, "-n", "--configfile", str(overlay), check=False)
    assert f"review.{key}: " in output


def test_two_files_are_merged_from_the_command_line(tmp_path: Path) -> None:
    def row(path: str, action: str) -> Correction:
        return Correction(0, path, "0" * 64, action, "", "cat", "", WHEN)

    write_corrections([row("a", "keep"), row("b", "keep")], tmp_path / "one.csv")
    write_corrections([row("b", "remove"), row("c", "keep")], tmp_path / "two.csv")

    def merge(target: str) -> subprocess.CompletedProcess[str]:
        script = ROOT / "workflow_scripts" / "merge_corrections.py"
        words = [sys.executable, str(script), "one.csv", "two.csv", target]
        return subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)

    (tmp_path / "data").mkdir()
    for target, problem in [
        ("data", "data is a folder. Name the file to write.\n"),
        ("./one.csv", "./one.csv is one of both files to merge. Write to another one.\n"),
    ]:
        assert merge(target).stderr == problem
    done = merge("merged.csv")
    assert done.returncode == 1
    assert (
        "conflict about 'b': keep 'cat' (one.csv, line 3), remove (two.csv, line 2)" in done.stdout
    )
    merged = pd.read_csv(tmp_path / "merged.csv")
    assert list(merged.columns) == COLUMNS and merged["path"].tolist() == ["a", "c"]
