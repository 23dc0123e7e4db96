"""docs/errors.md lists every message that the code has for a user, and no other."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import ROOT

# What takes a message, and as which of its arguments.
TAKERS = {"UserError": 0, "Fault": 1, "Rejected": 1, "refuse": 0, "SystemExit": 0}
# Messages that come from elsewhere in the code, where they are found, too.
PASSED_ON = {"str(error)", "outcome", "'\\n'.join([heading, *listed[:SHOWN], *more])"}


def sources() -> list[Path]:
    scripts = sorted((ROOT / "workflow_scripts").rglob("*.py"))
    return [*scripts, *sorted((ROOT / "rules").glob("*.smk"))]


def template(node: ast.expr) -> str:
    """The text of a message with … in place of what is filled in."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(map(template, parts))
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return template(left) + template(right)
    return "…"


def messages(path: Path) -> Iterator[str]:
    """The messages of a file; one that holds rules holds none."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except SyntaxError:
        assert not re.search(r"\b(raise|UserError|SystemExit)\b", path.read_text()), path
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            position = TAKERS.get(node.func.id)
            if position is not None and ast.unparse(node.args[position]) not in PASSED_ON:
                text = " ".join(template(node.args[position]).split())
                yield re.sub("…+", "…", text)


def page_messages() -> Iterator[str]:
    """What the review page says is wrong: the texts of one object in its script."""
    script = (ROOT / "workflow_scripts/tracin/review/decisions.js").read_text(encoding="utf-8")
    entries = re.search(r"^const PROBLEMS = {$(.*?)^};$", script, re.MULTILINE | re.DOTALL)
    assert entries
    for line in entries[1].strip().splitlines():
        text = re.fullmatch(r"  \w+: (?:\([\w, ]+\) => `(.+)`|\"(.+)\"),", f"  {line.strip()}")
        assert text, line
        yield re.sub(r"\$\{\w+\}", "…", text[1] or text[2])


def listed() -> list[str]:
    """The messages of docs/errors.md: items of code alone, with cause and remedy indented below."""
    text = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    return re.findall(r"^- `(.+)`\n\n  \S", text, re.MULTILINE)


def test_the_list_of_messages_is_the_codes() -> None:
    written = set(listed())
    found = {m for path in sources() for m in messages(path)} | set(page_messages())
    assert found - written == set(), "in the code, but not in docs/errors.md"
    assert written - found == set(), "in docs/errors.md, but not in the code"
    assert len(written) == len(listed()), "listed twice"


def test_the_page_has_no_messages_elsewhere() -> None:
    for path in (ROOT / "workflow_scripts/tracin/review").glob("*.js"):
        assert not re.search(r"new Error\((?!PROBLEMS\.)", path.read_text(encoding="utf-8")), path
