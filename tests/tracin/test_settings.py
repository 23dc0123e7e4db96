"""Checks of the settings: every fault at once, in one line each, with what to do."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from snakemake.utils import update_config

from tests.conftest import ROOT
from tracin.listing import expected_images
from tracin.repeats import misread_settings
from tracin.settings import (
    contradictions,
    judges,
    leaves,
    setting_faults,
    training,
)
from tracin.vision import models

SCHEMA = yaml.safe_load((ROOT / "rules/schemas/config.schema.yaml").read_text())
DEFAULT = yaml.safe_load((ROOT / "config.yaml").read_text())
IMAGES = {"train": 100, "val": 10, "test": 20}


def changed(overlay: dict[str, Any]) -> dict[str, Any]:
    config = copy.deepcopy(DEFAULT)
    update_config(config, overlay)
    return config


def at(name: str, value: object) -> dict[str, Any]:
    """An overlay that changes one setting."""
    overlay: Any = value
    for part in reversed(name.split(".")):
        overlay = {part: overlay}
    return overlay


def faults(overlay: dict[str, Any], images: dict[str, int] = IMAGES) -> list[str]:
    """What is said of the default settings with an overlay."""
    config = changed(overlay)
    found = setting_faults(config, SCHEMA)
    return [str(fault) for fault in [*found, *contradictions(config, images, found)]]


def names(section: dict[str, Any], above: str = "") -> set[str]:
    """Names of all settings below a section of config.yaml."""
    found = set()
    for name, value in section.items():
        below = isinstance(value, dict) and name != "class_names"
        found |= names(value, f"{above}{name}.") if below else {f"{above}{name}"}
    return found


def test_the_schema_has_every_setting_with_a_type_and_a_range() -> None:
    known = dict(leaves(SCHEMA))
    assert set(known) == names(DEFAULT)
    for name, part in known.items():
        if "$ref" in part:
            part = SCHEMA["$defs"][part["$ref"].rsplit("/", 1)[-1]]
        assert "enum" in part or "description" in part, name
        if part.get("type") in ("integer", "number"):
            assert {"minimum", "exclusiveMinimum"} & set(part), name
            assert {"maximum", "exclusiveMaximum"} & set(part), name


def test_the_schema_knows_torchvisions_resnets() -> None:
    known = dict(leaves(SCHEMA))["model.architecture"]["enum"]
    assert sorted(known) == sorted(n for n in models.list_models(module=models) if "resne" in n)


def test_shipped_settings_have_no_fault() -> None:
    for path in [None, *(ROOT / "examples").glob("*.yaml")]:
        overlay = yaml.safe_load(path.read_text()) if path else {}
        found = setting_faults(changed(overlay), SCHEMA)
        assert not found


def test_names_that_are_no_text_to_yaml(tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_text(
        "dataset:\n  class_names:\n    yes: ja\n    00001: car\n    'on': an\n    cane: dog\n"
    )
    ends = f"of {tmp_path / 'my.yaml'} as {{}}; put it in quotes"
    assert [str(fault) for fault in misread_settings([tmp_path / "my.yaml"])] == [
        f"dataset.class_names.yes: YAML reads this name in line 3 {ends.format('bool')}",
        f"dataset.class_names.00001: YAML reads this name in line 4 {ends.format('int')}",
    ]


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("train.epochs", "many", "'many' is not a whole number from 0 to 100,000"),
        ("train.epochs", "5", "'5' is not .*; this is text: write 5 in a file for --configfile"),
        ("train.epochs", 5.0, r"5\.0 is not .*; write 5"),
        ("train.epochs", True, "True is not a whole number"),
        ("train.learning_rate_head", "1e-3", r".*write 0\.001 in a file"),
        ("train.weight_decay", float("nan"), "nan is not a number from 0"),
        ("train.learning_rate_head", float("inf"), "inf is not a number above 0"),
        ("train.seeds", 3, "3 is not a list of different whole numbers"),
        ("train.seeds", [1, 1], r"\[1, 1\] is not a list of different"),
        ("train.optimizer", "adam", "'adam' is not one of adamw, sgd; did you mean adamw?"),
        ("train.optimizer", "x" * 500, "'x{30,60}... is not one of adamw, sgd$"),
        ("train.augmentation.crop_scale", [0, 1], "is not two shares above 0"),
        ("train.augmentation.flip", True, "there is no such setting"),
        ("train.checkpoint_evry", 2, "no such setting; did you mean train.checkpoint_every?"),
        ("influence.learning_rate", 2, "did you mean train.learning_rate_head?"),
        ("top_k", 2, "there is no such setting; did you mean influence.top_k?"),
        ("train", None, "None is not a section of settings"),
        ("train.7", 2, "there is no such setting"),
        ("influence.shards", 4, "4 is not a section of settings"),
        ("dataset.test", 0, "0 is not a share above 0 and below 1"),
        ("dataset.planted_noise", 2, "2 is not null or a share from 0 to 1"),
        ("dataset.path", "a\0b", "is not the path of a folder or a manifest"),
        ("model.head", [], r"\[\] is not linear, or a list of the widths"),
        ("model.architecture", "resnet5", "is not one of resnet18.*did you mean resnet50?"),
        ("label_errors.folds", 1, "1 is not 0 or a whole number from 2"),
        ("label_errors.folds", False, "False is not 0 or a whole number from 2"),
    ],
)
def test_a_fault_is_one_line_with_its_setting(name: str, value: object, line: str) -> None:
    (found,) = faults(at(name, value))
    assert found.startswith(f"{name}: ") and "\n" not in found
    assert re.search(line, found), found


@pytest.mark.parametrize(
    ("overlay", "line"),
    [
        (at("influence.top_k", 101), "influence.top_k: 101 is more than .* about 100; lower it"),
        (at("label_errors.opponents", 101), "label_errors.opponents: 101 is more"),
        (at("influence.shards.val", 11), "influence.shards.val: 11 is more than the val split"),
        (at("influence.tiles.test", 21), "influence.tiles.test: 21 is more than the test split"),
        (at("influence.checkpoints", 8), "checkpoints: 8 slots, but .* epochs.* pool only"),
        (
            {"train": {"patience": 2}, "influence": {"checkpoints": 4}},
            r"4 slots, but \d+ epochs \(where training may stop: train.patience\) pool only 3",
        ),
        ({"train": {"head_epochs": 0, "epochs": 0}}, "train.epochs: head_epochs and .* both 0"),
        (at("train.input_size", 37), "train.input_size: 37 pixels are more than .*stored_size, 36"),
        (at("train.augmentation.crop_scale", [1, 0.5]), "crop_scale: 1 is above 0.5; swap"),
        (at("label_errors.judges.crop_scale", [1, 0.5]), "judges.crop_scale: 1 is above 0.5; swap"),
        (
            {"train": {"seeds": [0, 1]}, "cross_runs": {"min_runs": 3}},
            "cross_runs.min_runs: 3 is more than the 2 train.seeds",
        ),
        ({"model": {"weights": "imagenet", "stem": "small"}}, "model.stem: imagenet's"),
        (at("model.weights", "no.pth"), "model.weights: there is no file 'no.pth'"),
        ({"dataset": {"source": "folder", "path": "no"}}, "dataset.path: there is no folder 'no'"),
        ({"dataset": {"source": "manifest", "path": "no"}}, "dataset.path: there is no file 'no'"),
        ({"dataset": {"source": "manifest", "path": "."}}, "is a folder; set .* to folder"),
        ({"dataset": {"source": "folder", "path": __file__}}, "is a file; set .* to manifest"),
        ({"dataset": {"source": "folder", "path": "~/cats"}}, "the ~ in '~/cats' is not replaced"),
        ({"dataset": {"path": "cats"}}, "'cats' is ignored while dataset.source is digits"),
        (at("influence.layers", ["layer4", "layr3"]), "no layer 'layr3' before the last"),
        (
            {"model": {"head": "linear"}, "influence": {"layers": ["layer4", "fc"]}},
            "no layer 'fc' before the last",
        ),
    ],
)
def test_contradictions_are_found(overlay: dict[str, Any], line: str) -> None:
    (found,) = faults(overlay)
    assert re.search(line, found), found


def test_missing_settings_are_named() -> None:
    config = copy.deepcopy(DEFAULT)
    del config["train"]["epochs"], config["review"]
    found = setting_faults(config, SCHEMA)
    assert [str(fault) for fault in found] == [
        "train.epochs: is missing; copy it from config.yaml",
        "review: is missing; copy it from config.yaml",
    ]
    assert not list(contradictions(config, IMAGES, found))


def test_everything_is_said_at_once_and_nothing_that_follows_from_a_fault() -> None:
    overlay = {
        "train": {"epochs": "many", "input_size": 99},
        "influence": {"checkpoints": 9, "top_k": 101, "shards": None},
        "colour": "blue",
    }
    found = [line.split(":")[0] for line in faults(overlay)]
    assert sorted(found) == [
        "colour",
        "influence.shards",
        "influence.top_k",
        "train.epochs",
        "train.input_size",
    ]


def test_unknown_numbers_of_images_contradict_nothing() -> None:
    assert faults(at("influence.top_k", 10**6), {}) == []


def test_expected_images() -> None:
    assert expected_images(1797, 0.2, 0.1) == {"train": 1293, "val": 144, "test": 360}
    assert expected_images(100, 0.2, 0.1, {"train": 60, "test": 40}) == {
        "train": 54,
        "val": 6,
        "test": 40,
    }
    given = {"train": 60, "val": 5, "test": 35}
    assert expected_images(100, 0.2, 0.1, given) == given
    assert expected_images(0, 0.2, 0.1) == expected_images(1, 0.5, 0.5) == {}


def test_a_path_of_a_folder_that_exists(tmp_path: Path) -> None:
    assert faults({"dataset": {"source": "folder", "path": str(tmp_path)}}) == []


@pytest.mark.parametrize(
    ("effort", "given", "networks"),
    [("standard", 0, 0), ("standard", 3, 3), ("thorough", 0, 2), ("thorough", 3, 3)],
)
def test_effort_sets_the_judges_unless_they_are_given(effort, given, networks) -> None:
    assert judges({"label_errors": {"effort": effort, "networks": given}}) == networks


def test_a_judge_learns_longer_from_images_that_change_more() -> None:
    settings = {
        "train": {
            "epochs": 10,
            "patience": 5,
            "batch_size": 64,
            "augmentation": {"crop_scale": [0.7, 1.0], "rotation": 10, "erasing": 0.0},
        },
        "label_errors": {"judges": {"longer": 3, "crop_scale": [0.3, 1.0], "erasing": 1.0}},
    }
    assert training(settings, "original") == training(settings, "original-fold1")
    assert training(settings, "original") == settings["train"]
    assert training(settings, "corrected-judge") == {
        "epochs": 30,
        "patience": 15,
        "batch_size": 64,
        "augmentation": {"crop_scale": [0.3, 1.0], "rotation": 10, "erasing": 1.0},
    }
