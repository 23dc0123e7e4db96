"""A reviewer's decisions: read, checked against the data set, applied, merged."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jsonschema import Draft202012Validator

from tracin.cells import Record, read_guarded
from tracin.errors import SHOWN, Fault, UserError, refuse
from tracin.files import write_csv

COLUMNS = ["path", "sha256", "action", "label", "previous_label", "note", "decided_at"]


@dataclass(frozen=True)
class Correction:
    """One decision; `line` is where its file says so.

    One that is `copied` is in no file: it follows from a decision about another copy of the image.
    """

    line: int
    path: str
    sha256: str
    action: str
    label: str
    previous_label: str
    note: str
    decided_at: str
    copied: bool = False

    @property
    def outcome(self) -> str | None:
        """The label that the image ends with; None when it is removed."""
        if self.action == "remove":
            return None
        return self.label if self.action == "relabel" else self.previous_label

    @property
    def wording(self) -> str:
        """The decision in words."""
        return {"remove": "remove", "keep": f"keep {self.previous_label!r}"}.get(
            self.action, f"relabel as {self.label!r}"
        )


def read_corrections(path: Path | str, schema: Mapping[str, Any]) -> list[Correction]:
    """The rows of a corrections file, each of which fits `schema`, and each image once.

    Raises:
        UserError: Something is wrong; every fault is named with its line.
    """
    records = list(read_guarded(path, COLUMNS))
    if not records:
        raise UserError(
            f"{path} holds no decision. Decide on the review page and save the file again."
        )
    validator = Draft202012Validator(schema)
    faults = [fault for record in records for fault in _schema_faults(record, validator)]
    if not faults:
        corrections = [Correction(record.line, copied=False, **record.cells) for record in records]
        faults = [*_row_faults(corrections), *_repeated(corrections)]
    refuse(f"{path} can't be used; nothing was changed.", sorted(faults))
    return corrections


def _schema_faults(record: Record, validator: Draft202012Validator) -> Iterator[Fault]:
    for error in validator.iter_errors(record.cells):
        column = str(error.absolute_path[0]) if error.absolute_path else "row"
        action = record.cells["action"]
        if column == "label":
            if action == "relabel":
                yield Fault(record.line, f"action {action} needs a label")
            else:
                yield Fault(record.line, f"action {action} takes no label")
        else:
            value = record.cells.get(column, "")
            yield Fault(record.line, f"{column} {value!r} is not valid")


def _row_faults(corrections: list[Correction]) -> Iterator[Fault]:
    """Rows that contradict themselves."""
    for row in corrections:
        if row.action == "relabel" and row.label == row.previous_label:
            yield Fault(row.line, f"relabels {row.path!r} as what it already is, {row.label!r}")
        if row.action == "keep" and row.label not in ("", row.previous_label):
            yield Fault(row.line, f"keeps {row.path!r} but names another label, {row.label!r}")


def _repeated(corrections: list[Correction]) -> Iterator[Fault]:
    """Rows about an image that an earlier row is about, or that has the same bytes as another."""
    by_path: dict[str, Correction] = {}
    by_content: dict[str, Correction] = {}
    for row in corrections:
        first = by_path.setdefault(row.path, row)
        if first is not row:
            if row.outcome == first.outcome:
                yield Fault(row.line, f"repeats line {first.line} about {row.path!r}")
            else:
                yield Fault(row.line, f"contradicts line {first.line} about {row.path!r}")
        elif row.outcome is not None:
            twin = by_content.setdefault(row.sha256, row)
            if twin.outcome != row.outcome:
                yield Fault(
                    row.line,
                    f"contradicts line {twin.line}: {row.path!r} and {twin.path!r} are the same "
                    f"image, but {row.wording} and {twin.wording} differ",
                )


def check_against(
    corrections: list[Correction], manifest: pd.DataFrame, classes: list[str], source: Path | str
) -> pd.Series:
    """The sample ids [rows] that the corrections are about.

    Raises:
        UserError: A row is about an image that the data set doesn't have, has with other bytes or
            another label, or doesn't train on, or names an unknown class; all with their lines.
    """
    known = manifest.set_index("path")
    faults = []
    for row in corrections:
        if row.path not in known.index:
            faults.append(Fault(row.line, f"the data set has no image {row.path!r}"))
            continue
        image = known.loc[row.path]
        if image["sha256"] != row.sha256:
            faults.append(
                Fault(row.line, f"{row.path!r} changed since it was reviewed (sha256 differs)")
            )
        if image["split"] != "train":
            faults.append(
                Fault(
                    row.line,
                    f"{row.path!r} is a {image['split']} image; only training images may be "
                    "corrected",
                )
            )
        if image["label"] != row.previous_label:
            faults.append(
                Fault(
                    row.line,
                    f"{row.path!r} is labelled {image['label']!r}, not {row.previous_label!r}",
                )
            )
        if row.action == "relabel" and row.label not in classes:
            faults.append(Fault(row.line, f"there is no class {row.label!r}"))
    refuse(f"{source} can't be used; nothing was changed.", sorted(faults))
    return known.loc[[row.path for row in corrections], "sample_id"].reset_index(drop=True)


def with_copies(corrections: list[Correction], manifest: pd.DataFrame) -> list[Correction]:
    """The corrections, and one for each training image with the bytes of one that got a label.

    A copy that has a row of its own keeps it: it may be the one that is removed.
    """
    given = {row.sha256: row for row in corrections if row.outcome is not None}
    copies = manifest[
        (manifest["split"] == "train")
        & manifest["sha256"].isin(list(given))
        & ~manifest["path"].isin([row.path for row in corrections])
    ]
    return [
        *corrections,
        *(
            _copied(given[row["sha256"]], row["path"], row["label"])
            for row in copies.to_dict("records")
        ),
    ]


def _copied(row: Correction, path: str, label: str) -> Correction:
    """The same decision about a copy of the image, which is labelled `label`."""
    kept = row.outcome == label
    decision = (
        {"action": "keep", "label": ""} if kept else {"action": "relabel", "label": row.outcome}
    )
    facts = {"path": path, "previous_label": label, "note": f"copy of {row.path}", "copied": True}
    return Correction(**asdict(row) | decision | facts)


def apply_corrections(
    corrections: list[Correction], ids: pd.Series, labels: pd.DataFrame, classes: list[str]
) -> pd.DataFrame:
    """The label set [n, 3] after the corrections of the samples `ids`; `labels` stays as it is."""
    codes = {name: code for code, name in enumerate(classes)}
    corrected = labels.set_index("sample_id").copy()
    for row, sample in zip(corrections, ids, strict=True):
        if row.outcome is None:
            corrected.loc[sample, "keep"] = False
        else:
            corrected.loc[sample, "label_index"] = np.int16(codes[row.outcome])
    return corrected.reset_index()


def check_classes(
    labels: pd.DataFrame,
    before: pd.DataFrame,
    manifest: pd.DataFrame,
    classes: list[str],
    source: Path | str,
) -> None:
    """Check that the label set [n, 3] leaves a training image to every class that had one `before`.

    Raises:
        UserError: A class lost its last one.
    """
    had, left = (
        set(some.loc[some["keep"].to_numpy() & (manifest["split"] == "train"), "label_index"])
        for some in (before, labels)
    )
    lost = [name for code, name in enumerate(classes) if code in had - left]
    if lost:
        raise UserError(
            f"{source} can't be used; nothing was changed. It leaves no training image of "
            f"{', '.join(map(repr, lost[:SHOWN]))}; keep some, or remove the class's folder."
        )


def corrections_table(corrections: list[Correction], ids: pd.Series) -> pd.DataFrame:
    """The corrections with their sample ids: sample_id, the columns of the file, copied."""
    rows = [asdict(row) for row in corrections]
    table = pd.DataFrame(rows, columns=[*COLUMNS, "copied"])
    table.insert(0, "sample_id", ids.astype("int64"))
    return table


def merge_corrections(
    first: list[Correction], second: list[Correction]
) -> tuple[list[Correction], list[tuple[Correction, Correction]]]:
    """Two reviewers' decisions as one, sorted by path, and the pairs in which they disagree.

    Where both decided alike the later row stays, with both notes. Conflicts, about one image or
    about files with equal bytes, are decided for neither: the merged list lacks their rows.
    """
    ours = {row.path: row for row in first}
    theirs = {row.path: row for row in second}
    both = ours.keys() & theirs.keys()
    conflicts = [
        (ours[path], theirs[path])
        for path in sorted(both)
        if (ours[path].outcome, ours[path].sha256) != (theirs[path].outcome, theirs[path].sha256)
    ] + _unequal_twins(first, second)
    merged = {**ours, **theirs} | {path: _agreed(ours[path], theirs[path]) for path in both}
    for row in itertools.chain(*conflicts):
        merged.pop(row.path, None)
    return [merged[path] for path in sorted(merged)], conflicts


def _unequal_twins(
    first: list[Correction], second: list[Correction]
) -> list[tuple[Correction, Correction]]:
    """Pairs of rows about two files with equal bytes that would end with different labels."""
    by_content: dict[str, list[Correction]] = {}
    for row in first:
        if row.outcome is not None:
            by_content.setdefault(row.sha256, []).append(row)
    return [
        (row, twin)
        for twin in second
        for row in by_content.get(twin.sha256, [])
        if twin.outcome not in (None, row.outcome) and twin.path != row.path
    ]


def _agreed(one: Correction, other: Correction) -> Correction:
    later = max(one, other, key=lambda row: row.decided_at)
    notes = dict.fromkeys(row.note for row in (one, other) if row.note)
    return Correction(**asdict(later) | {"note": "\n".join(notes)})


def write_corrections(corrections: list[Correction], path: Path | str) -> None:
    """Write decisions as a corrections file."""
    rows = [asdict(row) for row in corrections]
    write_csv(pd.DataFrame(rows, columns=["line", *COLUMNS])[COLUMNS], path)
