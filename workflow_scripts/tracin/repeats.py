"""What YAML silently reads otherwise than meant: a setting given twice, a name that is no text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml

from tracin.errors import Fault


def misread_settings(paths: Iterable[Path]) -> Iterator[Fault]:
    """Yield a fault for each setting that a file gives more than once, and each name not text."""
    for path in paths:
        with open(path, encoding="utf-8") as file:
            yield from _misread(yaml.compose(file, Loader=yaml.SafeLoader), path, "")


def _misread(node: yaml.Node | None, path: Path, above: str) -> Iterator[Fault]:
    """Faults of a section and of those below it; `above` is its name and a dot, or empty."""
    if not isinstance(node, yaml.MappingNode):
        return
    first: dict[str, int] = {}
    for key, value in node.value:
        name, line = f"{above}{key.value}", key.start_mark.line + 1
        if name in first:
            yield Fault(
                name,
                f"{path} gives it in line {first[name]} and again in line {line}; keep one of both",
            )
        first.setdefault(name, line)
        # In dataset.class_names it would rename nothing: no folder is called True, and 7 was 007.
        kind = str(key.tag).rsplit(":", 1)[-1]
        if kind in ("bool", "int", "float", "null", "timestamp"):
            yield Fault(
                name, f"YAML reads this name in line {line} of {path} as {kind}; put it in quotes"
            )
        yield from _misread(value, path, f"{name}.")
