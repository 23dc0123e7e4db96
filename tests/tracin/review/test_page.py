"""The review page as a file: what is in it, and what can't get out."""

import base64
import hashlib
import html
import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.tracin.review.tables import CLASSES, HOSTILE, PATHS, review_data
from tracin.review import thumbnails
from tracin.review.page import (
    exceeded,
    fingerprint,
    page_data,
    review_page,
    script_safe,
    signal_columns,
)


def test_hostile_text_cannot_leave_its_element() -> None:
    page = review_page(review_data(classes=CLASSES, paths=PATHS), 20)
    assert HOSTILE not in page
    assert page.count("</script>") == 2
    assert page.count("<script") == 2
    data = re.search(r'id="data">(.*?)</script>', page, re.DOTALL)
    assert data and json.loads(data[1])["items"][0]["path"] == PATHS[0]


@pytest.mark.parametrize("text", ["</script>", "<!--", "a\u2028b\u2029", "&lt;", "\ud800"])
def test_json_for_a_script_element(text: str) -> None:
    safe = script_safe([text])
    assert json.loads(safe) == [text]
    assert safe.isascii() and not set("<>&") & set(safe)


def test_policy_allows_this_script_and_no_network() -> None:
    page = review_page(review_data(), 20)
    policy = html.unescape(re.search(r'Policy" content="(.*?)"', page)[1])  # type: ignore[index]
    script = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy and "img-src data:" in policy
    assert "unsafe" not in policy and "connect-src" not in policy
    assert not re.search(r"""(?:src|href)=["']?https?:""", page)


def test_items_hold_the_evidence() -> None:
    data = page_data(review_data(), 8, 1)
    item = data["items"][0]
    assert len(data["items"]) == 8
    assert (item["label"], item["suggested"], item["rank"]) == ("cat", "cow", 1)
    assert item["reasons"] == ["the model gives the label 1%", "neighbours disagree"]
    assert set(item["signals"]) == {"loss_final", "a_new_signal"}
    assert all(0 <= share < 1 for share in item["signals"].values())
    assert item["mistakes"][0] | {"influence": 1.5} == {
        "id": 20,
        "label": "dog",
        "predicted": "cat",
        "influence": 1.5,
    }
    shown = [i for kind in ("opponents", "proponents", "neighbours") for i in item[kind]]
    for sample in [*shown, item["id"], item["mistakes"][0]["id"]]:
        assert sample in data["images"]
        assert (sample in data["large"]) or (sample in data["small"])


def test_a_signal_is_higher_than_that_of_the_images_below_it() -> None:
    data = review_data(suspects=10)
    suspects = data.suspects.assign(
        loss_final=[5.0, 5, 5, 5, 1, 1, 1, 1, 1, 9], a_new_signal=[np.nan, *np.arange(9.0)]
    )
    items = page_data(replace(data, suspects=suspects), 10, 1)["items"]
    assert [item["signals"]["loss_final"] for item in items] == [0.5] * 4 + [0.0] * 5 + [0.9]
    assert "a_new_signal" not in items[0]["signals"]
    assert items[9]["signals"]["a_new_signal"] == pytest.approx(8 / 9, abs=1e-4)


def test_no_share_below_one_is_rounded_to_it() -> None:
    shares = exceeded(pd.DataFrame({"loss": np.arange(100_000.0)}))
    assert shares["loss"].max() == 0.9999
    data = review_data()
    suspects = data.suspects.assign(suggested_probability=np.float32(0.99997))
    assert page_data(replace(data, suspects=suspects), 1, 1)["items"][0]["probability"] == 0.9999


def test_a_class_name_is_no_end_of_a_reason() -> None:
    data = review_data(classes=["cat; tabby", "dog; small (90% to 1%); brown"])
    said = [f"the network prefers {name} (97% to 2%)" for name in data.suspects["suggested_label"]]
    reasons = [f"{text}; other training images oppose it strongly" for text in said]
    items = page_data(replace(data, suspects=data.suspects.assign(reasons=reasons)), 2, 1)["items"]
    for item, text in zip(items, said, strict=False):
        assert item["reasons"] == [text, "other training images oppose it strongly"]


def test_absent_signals_and_evidence_are_no_fault() -> None:
    plain = review_data()
    suspects = plain.suspects.drop(columns=["loss_final", "a_new_signal", "neighbours"])
    suspects["reasons"] = ""
    suspects["suggested_probability"] = np.nan
    item = page_data(
        review_data(suspects=len(suspects)).__class__(**{**vars(plain), "suspects": suspects}), 3, 1
    )["items"][0]
    assert signal_columns(suspects) == []
    assert item["signals"] == {} and item["neighbours"] == [] and item["reasons"] == []
    assert item["probability"] is None


def test_storage_key_tells_data_sets_and_label_sets_apart() -> None:
    one, other = review_data(), review_data(paths=["new.png"])
    assert fingerprint(one.manifest) == fingerprint(one.manifest.iloc[::-1])
    assert fingerprint(one.manifest) != fingerprint(other.manifest)
    for column, value in {"split": "val", "label": "dog"}.items():
        changed = one.manifest.copy()
        changed.loc[0, column] = value
        assert fingerprint(one.manifest) != fingerprint(changed)
    corrected = review_data(name="corrected")
    assert page_data(one, 3, 1)["key"] != page_data(corrected, 3, 1)["key"]


def test_large_images_shrink_until_the_page_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    data = review_data(side=256)
    best = len(review_page(data, 20))
    monkeypatch.setattr(thumbnails, "LARGEST_PAGE", best // 2)
    assert len(review_page(data, 20)) < best // 2 + 60_000


def test_thumbnails_are_small() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (9, 256, 256, 3), dtype=np.uint8)
    large, small = thumbnails.embed(pixels, [0, 1], [0, 2], 2)
    assert set(large) == {0, 1} and set(small) == {0, 2}
    assert len(small[0]) < len(large[0]) / 4
    assert all(
        uri.startswith("data:image/webp;base64,") for uri in [*large.values(), *small.values()]
    )
