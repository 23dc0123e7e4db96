"""Any path and any label: inside the root or refused, the same after every file."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import pandas as pd
from hypothesis import example, given
from hypothesis import strategies as st

from tracin.figures.per_class import file_stem
from tracin.files import guard, unguard, write_csv, write_json, write_parquet
from tracin.manifests import list_manifest
from tracin.review.exports import file_name

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=40)
PARTS = st.lists(
    st.one_of(st.sampled_from(["..", ".", "", "~", "C:", "\\", "a"]), TEXT), max_size=4
)


@given(PARTS.map("/".join))
@example("..\\..\\x")
@example("C:x")
def test_a_manifest_path_is_inside_its_folder_or_refused(path: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "labels.parquet"
        pd.DataFrame({"path": [path], "label": ["x"]}).to_parquet(file)
        try:
            listed = list_manifest(file, "label")
        except ValueError:
            return
        for found in listed["path"]:
            whole = os.path.normpath(os.path.join(name, found))
            assert whole.startswith(name + os.sep) or whole == name


@given(st.lists(TEXT, min_size=1, max_size=5))
@example(["=1+1", "'=1", "\r\n", "</script>", "{x}", "NaN", ""])
def test_labels_are_the_same_after_every_file(labels: list[str]) -> None:
    frame = pd.DataFrame({"label": pd.Series(labels, dtype="string")})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_parquet(frame, folder / "t.parquet")
        assert pd.read_parquet(folder / "t.parquet")["label"].tolist() == labels
        write_json(labels, folder / "t.json")
        assert json.loads((folder / "t.json").read_text(encoding="utf-8")) == labels
        write_csv(frame, folder / "t.csv")
    assert [unguard(guard(label)) for label in labels] == labels


@given(TEXT)
@example("../../x")
@example("{page}")
def test_names_of_files_made_from_labels_stay_in_their_folder(label: str) -> None:
    for name in (f"{file_stem(3, label)}_dashboard.png", file_name(label or "x")):
        assert Path(name).name == name and not name.startswith(".") and "\x00" not in name
    assert "{" not in file_stem(3, label)
