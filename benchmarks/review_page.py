"""How fast the review page of 2,000 suspects opens and answers in Chromium.

python -m benchmarks.review_page

prints the milliseconds and writes results/benchmarks/review_page.json; `ratio` is the time to open,
relative to the three seconds that a person waits without wondering.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from tests.tracin.review.conftest import FLAGS
from tests.tracin.review.tables import review_data
from tracin.files import write_json
from tracin.review.page import review_page

SUSPECTS, SIDE, ROUNDS, PATIENCE = 2000, 224, 4, 3000.0
# Milliseconds per decision by key, until the page is laid out again.
DECIDE_TEN = """() => {
  const list = document.getElementById("list"), start = performance.now();
  for (let i = 0; i < 10; i++) {
    list.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
    document.body.offsetHeight;
  }
  return (performance.now() - start) / 10;
}"""


def opening(page: Page, address: str) -> float:
    """Milliseconds from asking for the page to its being loaded."""
    page.goto(address)
    page.wait_for_selector("body[data-ready]")
    found: float = page.evaluate("performance.getEntriesByType('navigation')[0].duration")
    return found


def measure(path: Path) -> dict[str, Any]:
    """Open the page a few times; the best of each, as other work only ever adds time."""
    with sync_playwright() as playwright:
        program = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        page = browser.new_page()
        opened = min(opening(page, path.as_uri()) for _ in range(ROUNDS))
        decided = min(page.evaluate(DECIDE_TEN) for _ in range(ROUNDS))
        browser.close()
    return {
        "suspects": SUSPECTS,
        "megabytes": path.stat().st_size / 1e6,
        "open_milliseconds": opened,
        "decision_milliseconds": decided,
        "ratio": opened / PATIENCE,
    }


def main() -> None:
    """Make the page, open it, and print what was measured."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index.html"
        path.write_text(
            review_page(review_data(suspects=SUSPECTS, side=SIDE), SUSPECTS), encoding="utf-8"
        )
        result = measure(path)
    for name, value in result.items():
        print(f"{name:22} {value:.4g}")
    write_json(result, Path("results/benchmarks/review_page.json"))


if __name__ == "__main__":
    main()
