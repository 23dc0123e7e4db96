"""Listing of the images of a data set that is a folder with one sub-folder per class."""

from __future__ import annotations

import hashlib
import math
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from posixpath import commonpath

import pandas as pd

from tracin.errors import UserError
from tracin.sources import Rejected, from_text, inside, to_text

SHOWN = 10
# A word of its own: train, seg_train, train2017, Training set.
_SPLIT = re.compile(
    r"(?<![^\W\d_])(?:(train)(?:ing)?|(val)(?:id(?:ation)?)?|(test)(?:ing)?|(pred))(?![^\W\d_])"
)


def list_folder(root: Path | str) -> tuple[pd.DataFrame, list[Rejected]]:
    """List a folder that holds one sub-folder per class; what is hidden is no part of it.

    Returns:
        A frame [files, 2] with `path` (relative to `root`, with forward slashes) and
        `label` (name of the class folder), sorted by path, both as `to_text` writes
        names; and what is left out because it can't belong to a class or be listed.

    Raises:
        UserError: `root` is not a folder, no class folder below it holds a file, its folders look
            like splits, or they all lie in a single one.
    """
    root = Path(root)
    rows, rejected = _list_classes(root)
    if not rows:
        raise UserError(
            f"The image folder {root} holds no image in a class folder ({len(rejected)} other "
            "entries). Put the images of each class into a sub-folder named after it."
        )
    return pd.DataFrame(sorted(rows), columns=["path", "label"], dtype="string"), rejected


def _list_classes(root: Path) -> tuple[list[tuple[str, str]], list[Rejected]]:
    """Path and label of each file in a class folder, and what is left out."""
    rows: list[tuple[str, str]] = []
    rejected: list[Rejected] = []
    for entry in _top(root):
        if not _is_folder(entry):
            rejected.append(Rejected(to_text(entry.name), "lies in no class folder"))
            continue
        found = list(_class_files(root, entry.name))
        rejected += [item for item in found if isinstance(item, Rejected)]
        rows += [(to_text(item), to_text(entry.name)) for item in found if isinstance(item, str)]
        if not found:
            rejected.append(Rejected(to_text(entry.name), "the class folder holds no file"))
    _check_layout(root, {path.rpartition("/")[0] for path, _ in rows})
    return rows, rejected


def _check_layout(root: Path, folders: set[str]) -> None:
    """Raise unless the first folders of those that hold files may be classes."""
    single = commonpath(folders) if folders else ""
    below = sorted({folder[len(single) + 1 :].split("/")[0] for folder in folders - {single}})
    if single and len(below) > 1:
        raise UserError(
            f"The only folder in {root} is {single!r}, which holds {len(below)} folders: "
            f"{below[:SHOWN]}. Set dataset.path to {str(root / single)!r}."
        )
    first = {folder.split("/")[0] for folder in folders}
    nested = {folder.split("/")[0] for folder in folders if "/" in folder}
    alike: dict[str, dict[str, int | None]] = {}
    for name in first:
        if found := _SPLIT.search(name.lower()):
            # train_station and test_tube are no splits of one data set.
            around = re.sub(r"\d", "", _SPLIT.sub("/", name.lower()))
            alike.setdefault(around, {})[name] = found.lastindex
    for names in alike.values():
        # A class may be called train; one that holds folders of its own beside such a test is none.
        splits = sorted(names if names.keys() == first else names.keys() & nested)
        if len({names[name] for name in splits}) > 1:
            raise UserError(
                f"The folders in {root} look like splits, not classes: {splits}. Set "
                "dataset.path to one of them, or list all images in a manifest with a split column."
            )


def _top(root: Path) -> list[os.DirEntry[str]]:
    """What lies directly in the image folder."""
    if not root.is_dir():
        raise UserError(
            f"The image folder {root} does not exist. Set dataset.path to a folder "
            "with one sub-folder per class."
        )
    try:
        return _visible(root)
    except OSError as error:
        raise UserError(
            f"The image folder {root} can't be listed: {error.strerror}. Give yourself the right "
            "to read it."
        ) from error


def _visible(folder: Path | str) -> list[os.DirEntry[str]]:
    """The entries of a folder that are not hidden, by name."""
    with os.scandir(folder) as entries:
        return sorted(
            (entry for entry in entries if not entry.name.startswith(".")),
            key=lambda entry: entry.name,
        )


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder or a link to one; a loop of links is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _class_files(root: Path, name: str) -> Iterator[str | Rejected]:
    """Yield what a class folder holds, relative to `root`; each real folder is listed once.

    What is yielded may be a link, a FIFO or a file without permission: reading it finds that out.
    """
    seen: set[str] = set()
    folders, links = [name], list[str]()
    while folders or links:
        # Real folders come first, so that a link never takes a file's own path from it.
        name = folders.pop() if folders else links.pop(0)
        try:
            entries = _class_folder(root, name, seen)
        except UserError as error:
            yield Rejected(to_text(name), str(error))
            continue
        for entry in entries:
            if not _is_folder(entry):
                yield f"{name}/{entry.name}"
            else:
                (links if entry.is_symlink() else folders).append(f"{name}/{entry.name}")


def _class_folder(root: Path, name: str, seen: set[str]) -> list[os.DirEntry[str]]:
    """The entries of a folder, whose real path is added to `seen`.

    Raises:
        UserError: It is not listed, and why.
    """
    real = os.path.realpath(root / name)
    if not inside(real, root):
        raise UserError("the link leads out of the data set's folder")
    if Path(os.path.realpath((root / name).parent)).is_relative_to(real):
        raise UserError("the link leads back to a folder above it")
    if real in seen:
        raise UserError("the link leads to a folder that is listed already")
    seen.add(real)
    try:
        return _visible(real)
    except OSError as error:
        raise UserError(f"the folder can't be listed: {error.strerror}") from error


def count_files(root: Path | str) -> int:
    """Number of files in the class folders of `root`, be they images or not; 0 without any.

    Raises:
        UserError: as `list_folder` says of the folders, before anything is decoded.
    """
    return len(_list_classes(Path(root))[0]) if os.path.isdir(root) else 0


def _walk(root: Path | str) -> Iterator[tuple[str, list[str], list[str]]]:
    """As `os.walk`, without what is hidden: a file browser's notes are no part of a data set."""
    for parent, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield parent, folders, [name for name in names if not name.startswith(".")]


def folder_fingerprint(root: Path | str) -> str:
    """A SHA-256 (hex) of the names of all that lies below a folder, sizes and times of the files.

    It changes when a file is added, removed, renamed or written to, unless it is hidden. A missing
    folder gives 'missing'.
    """
    root = Path(root)
    if not root.is_dir():
        return "missing"
    return _fingerprint(
        root,
        (
            os.path.join(parent, name)
            for parent, folders, names in _walk(root)
            for name in (*folders, *names)
        ),
    )


def files_fingerprint(root: Path | str, paths: Iterable[str]) -> str:
    """The same of some files, given by their paths relative to `root` as `to_text` writes them."""
    return _fingerprint(Path(root), (os.path.join(root, from_text(path)) for path in paths))


def _fingerprint(root: Path, paths: Iterable[str]) -> str:
    digest, skipped = hashlib.sha256(), len(str(root))
    for path in sorted(paths):
        try:
            facts = os.lstat(path)
            state = f"{facts.st_size} {facts.st_mtime_ns}"
            if stat.S_ISDIR(facts.st_mode):
                state = "folder"  # its own size and time tell of names alone, hidden ones too
        except (OSError, ValueError):
            state = "missing"
        digest.update(os.fsencode(path[skipped:]) + b"\0" + state.encode() + b"\0")
    return digest.hexdigest()


def expected_images(
    total: int, test: float, val: float, given: Mapping[str, int] | None = None
) -> dict[str, int]:
    """Images by split when shares of `total` are held out; {} when one would be empty.

    `given` holds the numbers of a manifest that gives splits; validation images are held out of its
    training images where it gives none.
    """
    held = given["test"] if given and "test" in given else math.ceil(total * test)
    validation = given["val"] if given and "val" in given else math.ceil((total - held) * val)
    found = {"train": total - held - validation, "val": validation, "test": held}
    return found if min(found.values()) > 0 else {}
