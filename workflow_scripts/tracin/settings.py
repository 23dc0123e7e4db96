"""Checks of the settings: each by itself against the schema, then against one another."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from difflib import get_close_matches
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.validators import extend

from tracin.errors import Fault
from tracin.slots import is_pooled

LONGEST = 60
# Settings that no number of images may fall short of, and the split that is meant.
COUNTED = {
    "influence.top_k": "train",
    "label_errors.opponents": "train",
    "influence.shards.train": "train",
    "influence.shards.val": "val",
    "influence.shards.test": "test",
    "influence.tiles.train": "train",
    "influence.tiles.test": "test",
}
UNUSED = "data/raw"  # the default of dataset.path, which the demo does not use
LAYERS = ("conv1", "bn1", "layer1", "layer2", "layer3", "layer4", "fc")
JUDGES = 2  # of label_errors.effort: thorough
JUDGED = "-judge"  # ends the label set of a judge's results
Settings = Mapping[str, Any]


def judges(config: Settings) -> int:
    """How many networks judge the labels beside that of each run."""
    asked = config["label_errors"]
    return asked["networks"] or (JUDGES if asked["effort"] == "thorough" else 0)


def training(config: Settings, labels: str) -> Settings:
    """The `train` settings of a network trained on a label set.

    A judge learns longer, from images that change more, as `label_errors.judges` says: what it
    says of an image is then what it learned from the others. Its patience grows with its epochs.
    """
    train = config["train"]
    if not labels.endswith(JUDGED):
        return train
    changes = dict(config["label_errors"]["judges"])
    longer = changes.pop("longer")
    more = {name: train[name] * longer for name in ("epochs", "patience")}
    return train | more | {"augmentation": train["augmentation"] | changes}


def _is_whole(checker: object, value: object) -> bool:
    # JSON takes 5.0 for an integer, but it is none to what counts with it.
    return isinstance(value, int) and not isinstance(value, bool)


def _is_finite(checker: object, value: object) -> bool:
    return _is_whole(checker, value) or (isinstance(value, float) and math.isfinite(value))


_Validator = extend(
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine_many(
        {"integer": _is_whole, "number": _is_finite}
    ),
)


def leaves(schema: Settings, above: str = "") -> Iterator[tuple[str, Settings]]:
    """The name of every setting, as in `train.epochs`, and its part of the schema."""
    for name, part in schema["properties"].items():
        if "properties" in part:
            yield from leaves(part, f"{above}{name}.")
        else:
            yield f"{above}{name}", part


def setting_faults(config: Settings, schema: Settings) -> list[Fault]:
    """What is wrong with the settings taken one by one.

    Args:
        config: All settings, as `config.yaml` and its overlays give them.
        schema: JSON schema; each setting in it has a description or an enum.
    """
    return list(_section(config, schema, schema, ""))


def _section(config: object, part: Settings, schema: Settings, above: str) -> Iterator[Fault]:
    """Faults of one section and of what is below it; `above` is its name and a dot, or empty."""
    if not isinstance(config, Mapping):
        yield Fault(above[:-1], f"{_short(config)} is not a section of settings; see config.yaml")
        return
    for name in config:
        if name not in part["properties"]:
            near = _did_you_mean(_nearest(str(name), part, schema, above))
            yield Fault(f"{above}{name}", f"there is no such setting{near}")
    for name, below in part["properties"].items():
        place = f"{above}{name}"
        if name not in config:
            yield Fault(place, "is missing; copy it from config.yaml")
        elif "properties" in below:
            yield from _section(config[name], below, schema, f"{place}.")
        else:
            yield from _leaf(config[name], below, schema, place)


def _leaf(value: object, part: Settings, schema: Settings, place: str) -> Iterator[Fault]:
    if "$ref" in part:
        part = schema["$defs"][part["$ref"].rsplit("/", 1)[-1]]
    check, meant = _Validator(dict(part)), _meant(value)
    if check.is_valid(value):
        return
    known = [str(choice) for choice in part.get("enum", ())]
    hint = _did_you_mean(get_close_matches(str(value), known, 1))
    if check.is_valid(meant):
        hint = f"; write {meant}"
        if not isinstance(value, float):
            # --config reads every value inside a section as text.
            hint = f"; this is text: write {json.dumps(meant)} in a file for --configfile"
    wanted = part.get("description") or f"one of {', '.join(known)}"
    yield Fault(place, f"{_short(value)} is not {wanted}{hint}")


def _meant(value: object) -> object:
    """What was probably meant by a number or truth value given as text, or by a 5.0 for a 5."""
    if isinstance(value, list):
        return [_meant(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _nearest(name: str, part: Settings, schema: Settings, above: str) -> list[str]:
    """The known setting that was probably meant: of the same section, or of any."""
    beside = get_close_matches(name, list(part["properties"]), 1)
    place = {setting.rsplit(".", 1)[-1]: setting for setting, _ in leaves(schema)}
    return [above + near for near in beside] or [
        place[near] for near in get_close_matches(name, list(place), 1)
    ]


def _did_you_mean(names: list[str]) -> str:
    return f"; did you mean {names[0]}?" if names else ""


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


class _Sound:
    """The settings that have no fault of their own, by names such as `train.epochs`."""

    def __init__(self, config: Settings, faulty: Collection[str]) -> None:
        self.config, self.faulty = config, set(faulty)

    def __getitem__(self, name: str) -> Any:
        parts = name.split(".")
        above = {".".join(parts[: i + 1]) for i in range(len(parts))}
        if above & self.faulty:
            raise _FaultyError
        value: Any = self.config
        for part in parts:
            value = value[part]
        return value


class _FaultyError(Exception):
    """A check asked for a setting that has a fault of its own."""


def contradictions(
    config: Settings, images: Mapping[str, int], faults: Collection[Fault] = ()
) -> Iterator[Fault]:
    """Yield what can't go together in the settings, or not with the data.

    Args:
        config: All settings.
        images: Number of images by split, or empty where it is not known yet.
        faults: What `setting_faults` found: settings that no check here looks at.
    """
    sound = _Sound(config, [str(fault.where) for fault in faults])
    for check in (_slots, _crops, _input_size, _runs, _path, _weights, _layers):
        with suppress(_FaultyError):
            yield from check(sound)
    for name, split in COUNTED.items():
        with suppress(_FaultyError):
            yield from _number(sound, name, split, images)


def _slots(config: _Sound) -> Iterator[Fault]:
    """Whether every length that training may have pools enough checkpoints."""
    head, full, patience, every, slots = (
        config[name]
        for name in (
            "train.head_epochs",
            "train.epochs",
            "train.patience",
            "train.checkpoint_every",
            "influence.checkpoints",
        )
    )
    if head + full == 0:
        yield Fault(
            "train.epochs", "head_epochs and epochs are both 0, so nothing is trained; raise one"
        )
        return
    for last in range(head + min(full, patience), head + full + 1):
        pooled = sum(is_pooled(e, every) or e == last for e in range(1, last + 1))
        if pooled < slots:
            early = " (where training may stop: train.patience)" if last < head + full else ""
            yield Fault(
                "influence.checkpoints",
                f"{slots} slots, but {last} epochs{early} pool only {pooled} checkpoints; lower it "
                "or train.checkpoint_every",
            )
            return


def _crops(config: _Sound) -> Iterator[Fault]:
    for name in ("train.augmentation.crop_scale", "label_errors.judges.crop_scale"):
        low, high = config[name]
        if low > high:
            yield Fault(name, f"{low} is above {high}; swap them")


def _input_size(config: _Sound) -> Iterator[Fault]:
    size, stored = config["train.input_size"], config["dataset.stored_size"]
    if size > stored:
        yield Fault(
            "train.input_size",
            f"{size} pixels are more than dataset.stored_size, {stored}; lower it or raise that",
        )


def _runs(config: _Sound) -> Iterator[Fault]:
    runs, wanted = len(config["train.seeds"]), config["cross_runs.min_runs"]
    if 1 < runs < wanted:
        yield Fault(
            "cross_runs.min_runs", f"{wanted} is more than the {runs} train.seeds; lower it"
        )


def _path(config: _Sound) -> Iterator[Fault]:
    source, path = config["dataset.source"], config["dataset.path"]
    if source == "digits" and path != UNUSED:
        yield Fault(
            "dataset.path",
            f"{path!r} is ignored while dataset.source is digits; set that to folder or manifest",
        )
    elif source == "folder" and os.path.isfile(path):
        yield Fault("dataset.path", f"{path!r} is a file; set dataset.source to manifest")
    elif source == "manifest" and os.path.isdir(path):
        yield Fault("dataset.path", f"{path!r} is a folder; set dataset.source to folder")
    elif source != "digits" and path.startswith("~") and not os.path.exists(path):
        yield Fault("dataset.path", f"the ~ in {path!r} is not replaced; write your home folder")
    elif source == "folder" and not os.path.isdir(path):
        yield Fault("dataset.path", f"there is no folder {path!r}; put the images there")
    elif source == "manifest" and not os.path.isfile(path):
        yield Fault("dataset.path", f"there is no file {path!r}; name a .csv or .parquet file")


def _layers(config: _Sound) -> Iterator[Fault]:
    layers = config["influence.layers"]
    # The last layer is always there: fc has others only where hidden ones stand before it.
    known = LAYERS[:-1] if config["model.head"] == "linear" else LAYERS
    for layer in () if isinstance(layers, str) else layers:
        if layer.split(".")[0] not in known:
            yield Fault(
                "influence.layers",
                f"there is no layer {layer!r} before the last; names begin with {', '.join(known)}",
            )


def _weights(config: _Sound) -> Iterator[Fault]:
    weights = config["model.weights"]
    if weights == "imagenet" and config["model.stem"] == "small":
        yield Fault("model.stem", "imagenet's weights need standard; or set model.weights to none")
    if weights not in ("imagenet", "none") and not os.path.isfile(weights):
        yield Fault("model.weights", f"there is no file {weights!r}; or set it to imagenet or none")


def _number(config: _Sound, name: str, split: str, images: Mapping[str, int]) -> Iterator[Fault]:
    """A list longer than the training images, or more blocks than images to put into them."""
    if images and config[name] > images[split]:
        yield Fault(
            name,
            f"{config[name]} is more than the {split} split will have images, about "
            f"{images[split]}; lower it",
        )
