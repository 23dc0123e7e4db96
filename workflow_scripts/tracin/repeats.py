"""Settings that a YAML file gives twice, of which YAML itself silently takes the last."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml

from tracin.errors import Fault


def repeated_settings(paths: Iterable[Path]) -> Iterator[Fault]:
    """Yield a fault for each setting that one of the files gives more than once."""
    for path in paths:
        with open(path, encoding="utf-8") as file:
            yield from _repeated(yaml.compose(file, Loader=yaml.SafeLoader), path, "")


def _repeated(node: yaml.Node | None, path: Path, above: str) -> Iterator[Fault]:
    """Repeats in a section and in those below it; `above` is its name and a dot, or empty."""
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
        yield from _repeated(value, path, f"{name}.")
