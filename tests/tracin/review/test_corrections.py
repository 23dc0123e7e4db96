"""Corrections: every fault with its line, and nothing guessed."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tests.conftest import ROOT
from tests.tracin.review.tables import CLASSES, PATHS, review_data
from tracin.review.corrections import (
    COLUMNS,
    Correction,
    apply_corrections,
    check_against,
    check_classes,
    corrections_table,
    merge_corrections,
    read_corrections,
    with_copies,
    write_corrections,
)
from tracin.review.page import page_data

SCHEMA = yaml.safe_load((ROOT / "rules/schemas/corrections.schema.yaml").read_text())
DATA = review_data()
HASH = DATA.manifest.set_index("path")["sha256"].to_dict()
HEADER = ",".join(COLUMNS)
WHEN = "2026-11-24T10:00:00.000Z"


def line(path: str, action: str, label: str, previous: str = "cat", **more: str) -> str:
    cells = {"sha256": HASH.get(path, "0" * 64), "note": "", "decided_at": WHEN} | more
    return ",".join(
        [path, cells["sha256"], action, label, previous, cells["note"], cells["decided_at"]]
    )


def written(folder: Path, *lines: str) -> Path:
    path = folder / "corrections.csv"
    path.write_text("\n".join([HEADER, *lines]) + "\n")
    return path


def check(path: Path) -> pd.DataFrame:
    corrections = read_corrections(path, SCHEMA)
    ids = check_against(corrections, DATA.manifest, DATA.classes, path)
    return apply_corrections(corrections, ids, DATA.labels, DATA.classes)


GOOD = line("cat/0.png", "relabel", "dog")


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        (line("cat/99.png", "keep", "cat"), "line 3: the data set has no image 'cat/99.png'"),
        (line("cat/3.png", "keep", "cat", sha256="0" * 64), "line 3: .*changed since"),
        (line("cat/3.png", "relabel", "lion"), "line 3: there is no class 'lion'"),
        (line("cat/21.png", "remove", ""), "line 3: 'cat/21.png' is a test image"),
        (
            line("cat/3.png", "keep", "cow", "cow"),
            "line 3: 'cat/3.png' is labelled 'cat', not 'cow'",
        ),
        (GOOD, "line 3: repeats line 2 about 'cat/0.png'"),
        (line("cat/0.png", "remove", ""), "line 3: contradicts line 2 about 'cat/0.png'"),
        (
            line("cat/3.png", "keep", "cat", sha256=HASH["cat/0.png"]),
            "line 3: contradicts line 2: 'cat/3.png' and 'cat/0.png' are the same image",
        ),
        (line("cat/3.png", "relabel", "cat"), "line 3: relabels 'cat/3.png' as what it already is"),
        (line("cat/3.png", "keep", "dog"), "line 3: keeps 'cat/3.png' but names another label"),
        (line("cat/3.png", "relabel", ""), "line 3: action relabel needs a label"),
        (line("cat/3.png", "remove", "dog"), "line 3: action remove takes no label"),
        (line("cat/3.png", "drop", ""), "line 3: action 'drop' is not valid"),
        (line("cat/3.png", "keep", "cat", sha256="abc"), "line 3: sha256 'abc' is not valid"),
        (line("cat/3.png", "keep", "cat", decided_at="24/11/2026"), "line 3: decided_at"),
        ("cat/3.png,keep", "line 3: 2 cells"),
    ],
)
def test_faults_name_their_line(tmp_path: Path, bad: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        check(written(tmp_path, GOOD, bad))


def test_all_faults_are_listed_together(tmp_path: Path) -> None:
    path = written(tmp_path, line("x", "keep", "cat"), GOOD, line("cat/3.png", "relabel", "lion"))
    with pytest.raises(ValueError, match=r"nothing was changed\.\n  line 2: .*\n  line 4: "):
        check(path)


def test_no_rows_is_said(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no decision"):
        check(written(tmp_path))


def test_applying_changes_only_what_was_decided(tmp_path: Path) -> None:
    rows = [GOOD, line("cat/3.png", "remove", ""), line("cat/6.png", "keep", "")]
    corrected = check(written(tmp_path, *rows))
    expected = DATA.labels.copy()
    expected.loc[0, "label_index"] = 2
    expected.loc[3, "keep"] = False
    pd.testing.assert_frame_equal(corrected, expected)
    assert DATA.labels["keep"].all()


def test_twins_may_differ_by_removal(tmp_path: Path) -> None:
    twin = DATA.manifest.copy()
    twin.loc[3, "sha256"] = HASH["cat/0.png"]
    rows = [GOOD, line("cat/3.png", "remove", "", sha256=HASH["cat/0.png"])]
    corrections = read_corrections(written(tmp_path, *rows), SCHEMA)
    assert check_against(corrections, twin, DATA.classes, "f").tolist() == [0, 3]


def test_copies_get_the_same_label(tmp_path: Path) -> None:
    manifest, rows = DATA.manifest.copy(), [GOOD, line("cat/6.png", "remove", "")]
    manifest.loc[[1, 2, 6, 21], "sha256"] = HASH["cat/0.png"]  # the last is a test image
    rows[1] = line("cat/6.png", "remove", "", sha256=HASH["cat/0.png"])
    found = with_copies(read_corrections(written(tmp_path, *rows), SCHEMA), manifest)
    assert [(row.path, row.wording, row.note) for row in found] == [
        ("cat/0.png", "relabel as 'dog'", ""),
        ("cat/6.png", "remove", ""),
        ("cat/1.png", "relabel as 'dog'", "copy of cat/0.png"),
        ("cat/2.png", "keep 'dog'", "copy of cat/0.png"),
    ]
    ids = check_against(found, manifest, DATA.classes, "f")
    corrected = apply_corrections(found, ids, DATA.labels, DATA.classes)
    assert corrected.loc[[0, 1, 2], "label_index"].tolist() == [2, 2, 2]
    assert corrected["keep"].tolist() == [i != 6 for i in range(len(corrected))]
    table = corrections_table(found, ids)
    assert table["copied"].tolist() == [False, False, True, True]
    # Only a person's own decisions can be changed on the page.
    page = page_data(review_data(name="corrected", corrections=table), 3, 1)
    assert [row["path"] for row in page["decisions"]] == ["cat/0.png", "cat/6.png"]


def test_a_class_without_images_is_found() -> None:
    labels = DATA.labels.copy()
    labels.loc[labels["label_index"] == 2, "keep"] = False
    with pytest.raises(ValueError, match="no training image of 'dog'"):
        check_classes(labels, DATA.labels, DATA.manifest, DATA.classes, "f")
    check_classes(labels, labels, DATA.manifest, DATA.classes, "f")  # it had none before


def test_hostile_names_round_trip(tmp_path: Path) -> None:
    data = review_data(classes=CLASSES, paths=PATHS)
    rows = [
        Correction(0, r["path"], r["sha256"], "keep", r["label"], r["label"], "=1+1\n\"'", WHEN)
        for r in data.manifest.head(len(PATHS)).to_dict("records")
    ]
    write_corrections(rows, tmp_path / "c.csv")
    read = read_corrections(tmp_path / "c.csv", SCHEMA)
    ids = check_against(read, data.manifest, CLASSES, "c.csv")
    assert ids.tolist() == list(range(len(PATHS)))
    table = corrections_table(read, ids)
    assert table["path"].tolist() == PATHS
    assert set(table["note"]) == {"=1+1\n\"'"}


def decided(
    path: str, action: str, label: str, note: str = "", when: str = WHEN, content: str = "0"
) -> Correction:
    return Correction(2, path, content * 64, action, label, "cat", note, when)


def test_merged_copies_end_alike(tmp_path: Path) -> None:
    ours = [decided("a", "keep", ""), decided("b", "keep", ""), decided("e", "remove", "")]
    theirs = [decided("c", "relabel", "dog"), decided("d", "remove", "")]
    merged, conflicts = merge_corrections(ours, theirs)
    assert [(one.path, other.path) for one, other in conflicts] == [("a", "c"), ("b", "c")]
    write_corrections(merged, tmp_path / "merged.csv")
    read = read_corrections(tmp_path / "merged.csv", SCHEMA)
    assert [row.path for row in read] == ["d", "e"]


def test_merging_lists_conflicts_and_joins_the_rest() -> None:
    later = "2026-11-25T10:00:00.000Z"
    ours = [
        decided("a", "keep", "cat", "sure"),
        decided("b", "relabel", "dog", content="b"),
        decided("c", "remove", ""),
    ]
    theirs = [
        decided("a", "keep", "", "yes", later),
        decided("b", "relabel", "cow", content="b"),
        decided("d", "remove", ""),
    ]
    merged, conflicts = merge_corrections(ours, theirs)
    assert [row.path for row in merged] == ["a", "c", "d"]
    assert (merged[0].note, merged[0].decided_at) == ("sure\nyes", later)
    assert [(one.label, other.label) for one, other in conflicts] == [("dog", "cow")]
    assert merge_corrections(theirs, ours)[0] == [
        merged[0].__class__(**{**vars(merged[0]), "note": "yes\nsure"}),
        *merged[1:],
    ]


def test_one_decision_on_two_versions_of_an_image_is_a_conflict() -> None:
    one = decided("cat/0.png", "remove", "")
    other = replace(one, sha256="1" * 64)
    assert one.sha256 != other.sha256
    assert merge_corrections([one], [other]) == ([], [(one, other)])
