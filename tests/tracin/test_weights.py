"""Pretrained weights, by the code that loads the published file, on a state-dict made here."""

import hashlib
import pickle
from pathlib import Path

import pytest
import torch

from tracin.errors import UserError
from tracin.model import Architecture, backbone_state, build_model, load_backbone
from tracin.weights import fetch, published_url, read_state_dict

RESNET18 = Architecture("resnet18", classes=4)


@pytest.fixture
def published(tmp_path: Path) -> str:
    """A file named as torchvision names its own, at an address of its own."""
    plain = tmp_path / "plain.pth"
    state = build_model(Architecture("resnet18", classes=1000)).state_dict()
    # As those of ResNet-18 and ResNet-34, which are from before torch counted batches.
    torch.save({k: v for k, v in state.items() if "num_batches_tracked" not in k}, plain)
    digest = hashlib.sha256(plain.read_bytes()).hexdigest()[:8]
    return plain.rename(tmp_path / f"resnet18-{digest}.pth").as_uri()


def test_published_file_is_fetched_checked_and_loaded(published: str, tmp_path: Path) -> None:
    path = fetch(published, tmp_path / "cache")
    state, model = read_state_dict(path), build_model(RESNET18)
    load_backbone(model, state, path)
    for name, tensor in backbone_state(model).items():
        assert torch.equal(tensor, state.get(name, torch.tensor(0)))
    path.write_bytes(path.read_bytes()[:-10])
    assert read_state_dict(fetch(published, tmp_path / "cache"))


def test_a_file_with_another_hash_is_refused(published: str, tmp_path: Path) -> None:
    good = Path(published.removeprefix("file://"))
    other = good.rename(good.with_name("resnet18-00000000.pth"))
    with pytest.raises(UserError, match=r"not the published file .*invalid hash.*Try again"):
        fetch(other.as_uri(), tmp_path / "cache")


def test_published_addresses_carry_a_hash() -> None:
    assert published_url("resnet50").rsplit("/", 1)[-1].startswith("resnet50-")


def test_wrong_shapes_and_missing_keys_are_named() -> None:
    state = build_model(Architecture("resnet18", classes=2, stem="small")).state_dict()
    del state["layer1.0.conv1.weight"]
    with pytest.raises(ValueError, match=r"missing layer1\.0\.conv1\.weight.*conv1\.weight is"):
        load_backbone(build_model(RESNET18), state, "mine.pth")


@pytest.mark.parametrize("prefix", ["module.", "encoder.backbone."])
def test_a_common_prefix_is_taken_off(prefix: str, capsys: pytest.CaptureFixture[str]) -> None:
    state, model = build_model(RESNET18).state_dict(), build_model(RESNET18)
    named = {prefix + name: tensor for name, tensor in state.items()}
    load_backbone(model, named | {"projector.weight": torch.zeros(1)}, "mine.pth")
    assert all(torch.equal(v, state[k]) for k, v in backbone_state(model).items())
    assert f"names in mine.pth begin with '{prefix}', which is taken off" in capsys.readouterr().out
    two = named | {f"teacher.{name}": tensor for name, tensor in state.items()}
    with pytest.raises(UserError, match=rf"missing conv1\.weight;.*unknown {prefix}conv1\.weight;"):
        load_backbone(model, two, "mine.pth")


def test_code_in_a_pickle_is_never_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (tmp_path / "sprung",))  # type: ignore[return-value]

    (tmp_path / "trap.pth").write_bytes(pickle.dumps(Trap()))
    torch.save({"a": torch.zeros(1), "b": Trap()}, tmp_path / "hidden.pth")
    for name in ("trap.pth", "hidden.pth"):
        with pytest.raises(UserError, match=r"perhaps code, which is never run.*torch\.save"):
            read_state_dict(tmp_path / name)
    assert not (tmp_path / "sprung").exists()


def test_damaged_and_foreign_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.pth"
    with pytest.raises(UserError, match="There is no file"):
        read_state_dict(path)
    torch.save({"a": torch.zeros(1000)}, path)
    whole = path.read_bytes()
    for damaged in (b"", whole[:300], whole[:-300], b"text", whole[:200] + b"\xff" * 50):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=r"mine\.pth (is damaged|holds more)"):
            read_state_dict(path)
    for other in ([torch.zeros(1)], {"a": "text"}, {1: torch.zeros(1)}):
        torch.save(other, path)
        with pytest.raises(UserError, match="no state-dict of tensors by name"):
            read_state_dict(path)


def test_an_address_that_is_not_reached(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"can't be reached .*model\.weights: none"):
        fetch((tmp_path / "resnet18-00000000.pth").as_uri(), tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def test_weights_that_are_no_numbers_are_refused() -> None:
    state = build_model(RESNET18).state_dict()
    state["layer1.0.conv1.weight"][0, 0, 0, 0] = float("nan")
    with pytest.raises(UserError, match=r"layer1\.0\.conv1\.weight holds NaN"):
        load_backbone(build_model(RESNET18), state, "mine.pth")
