"""What a reviewer does on the page, and what is read off it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import ROOT
from tracin.review.corrections import read_corrections

SCHEMA = yaml.safe_load((ROOT / "rules/schemas/corrections.schema.yaml").read_text())
PHONE = {"width": 390, "height": 844}
# Opens a page about ReviewData; see the fixture `opened`.
Opener = Callable[..., Any]


def press(page: Any, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def reload(page: Any) -> None:
    # Chromium hands what was stored to another process in its own time.
    page.wait_for_timeout(1500)
    page.reload()
    page.wait_for_selector("body[data-ready]")


def saved(page: Any, folder: Path) -> Path:
    with page.expect_download() as download:
        page.click("#save")
    path = folder / "corrections.csv"
    download.value.save_as(path)
    assert download.value.suggested_filename == "corrections.csv"
    return path


def decisions(path: Path) -> dict[str, tuple[str, str]]:
    return {row.path: (row.action, row.label) for row in read_corrections(path, SCHEMA)}


def states(page: Any) -> list[str]:
    return page.eval_on_selector_all("[role=option]", "rows => rows.map(row => row.dataset.state)")


def rank(page: Any) -> str:
    return page.inner_text("#rank").split(",")[0]
