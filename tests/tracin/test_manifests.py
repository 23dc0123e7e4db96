"""Tests of manifests: separators, byte-order marks, and every fault with its line."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tracin.errors import UserError
from tracin.manifests import list_manifest


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_manifest_reads_label_column(tmp_path: Path, suffix: str) -> None:
    frame = pd.DataFrame({"path": ["a.png", "b.png"], "noisy": ["NA", "7"]})
    file = tmp_path / f"m{suffix}"
    frame.to_csv(file, index=False) if suffix == ".csv" else frame.to_parquet(file)
    listing = list_manifest(file, "noisy")
    assert list(listing.columns) == ["path", "label", "split", "true_label"]
    assert list(listing["label"]) == ["NA", "7"]
    assert list(listing.index) == [0, 1]
    assert listing[["split", "true_label"]].isna().all().all()


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_empty_text_means_nothing(tmp_path: Path, suffix: str) -> None:
    frame = pd.DataFrame({"path": ["a.png", "b.png"], "label": "x", "split": "", "true_label": ""})
    file = tmp_path / f"m{suffix}"
    frame.to_csv(file, index=False) if suffix == ".csv" else frame.to_parquet(file)
    assert list_manifest(file, "label")[["split", "true_label"]].isna().all().all()


def test_other_columns_are_not_read_and_an_index_is(tmp_path: Path) -> None:
    file = tmp_path / "m.parquet"
    frame = pd.DataFrame({"image": [b"\xff\xd8", b"\x80"], "path": ["a", "b"], "label": [1, 2]})
    for table in (frame, frame.set_index("path"), frame.astype({"label": "Int64"})):
        table.to_parquet(file)
        listing = list_manifest(file, "label")
        assert listing[["path", "label"]].to_numpy().tolist() == [["a", "1"], ["b", "2"]]
    with pytest.raises(UserError, match=r"'kind'\] are missing; it has \['image', 'path', 'label'"):
        list_manifest(file, "kind")


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfpath,label\r\n./a b.png,cat\r\n\r\nc/b.png,'=1+1\r\n",
        b"path;label;note\na b.png;cat;1,2,3,4\nc/b.png;'=1+1;\n",
        b'"label"\t"path"\ncat\t"a b.png"\n=1+1\tc/b.png\n',
    ],
    ids=["byte-order mark", "semicolons", "tabs"],
)
def test_what_spreadsheets_write_is_read(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.csv").write_bytes(content)
    listing = list_manifest(tmp_path / "m.csv", "label")
    assert listing[["path", "label"]].to_numpy().tolist() == [
        ["a b.png", "cat"],
        ["c/b.png", "=1+1"],
    ]


def test_every_fault_is_named_with_its_line(tmp_path: Path) -> None:
    rows = [
        "path,label,split",
        '"two\nlines.png",x,train',
        "a.png,x,",
        "",
        "./a.png,y,",
        "b.png, ,",
        ",x,",
        "/abs.png,x,",
        "c/../../d.png,x,",
        "C:\\e.png,x,",
        "f.png,x,dev",
    ]
    (tmp_path / "m.csv").write_text("\n".join(rows))
    with pytest.raises(UserError) as raised:
        list_manifest(tmp_path / "m.csv", "label")
    outside = "is absolute or has '..' in it; write it relative to the manifest's folder"
    assert str(raised.value).splitlines() == [
        f"{tmp_path / 'm.csv'} can't be used; nothing was read.",
        "  line 6: the path './a.png' stands in line 4 already; list it once",
        "  line 7: the label is empty; fill it in or remove the row",
        "  line 8: the path is empty; fill it in or remove the row",
        f"  line 9: the path '/abs.png' {outside}",
        f"  line 10: the path 'c/../../d.png' {outside}",
        f"  line 11: the path 'C:\\\\e.png' {outside}",
        "  line 12: the split 'dev' is unknown; use train, val or test",
    ]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"path,label\n", "no rows"),
        (b"", r"columns \['path', 'label'\] are missing"),
        (b"file,class\na.png,x\n", r"columns \['path', 'label'\] are missing; it has \['file'"),
        (b"path,label,path\na.png,x,b.png\n", r"line 1: several columns are named \['path'\]"),
        (b"path,label\na.png,x,y\nb.png\n", "line 2: 3 cells instead of 2.*\n.*line 3: 1 cells"),
        (b'path,label\na.png,x\n"b.png,y\n', "line 3: unexpected end of data.*quotes"),
        (b"path,label\na.png,x\ncaf\xe9.png,y\n", "line 3 is not UTF-8 text.*CSV in UTF-8"),
        ("path,label\na.png,x\n".encode("utf-16"), "line 1 is not UTF-8"),
        (b"path,label\na.png," + b"x" * 200_000, "field larger than"),
    ],
)
def test_unusable_files_are_explained(tmp_path: Path, content: bytes, problem: str) -> None:
    (tmp_path / "m.csv").write_bytes(content)
    with pytest.raises(UserError, match=problem):
        list_manifest(tmp_path / "m.csv", "label")


def test_missing_and_foreign_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        list_manifest(tmp_path / "m.csv", "label")
    (tmp_path / "m.xlsx").write_text("x")
    with pytest.raises(UserError, match=r"neither \.csv nor \.parquet"):
        list_manifest(tmp_path / "m.xlsx", "label")
    (tmp_path / "m.parquet").write_text("x")
    with pytest.raises(UserError, match="no readable Parquet file"):
        list_manifest(tmp_path / "m.parquet", "label")
    pd.DataFrame({"path": ["a", None], "label": ["x", "y"]}).to_parquet(tmp_path / "m.parquet")
    with pytest.raises(UserError, match="row 2: the path is empty"):
        list_manifest(tmp_path / "m.parquet", "label")
