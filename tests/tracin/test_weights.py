"""Pretrained weights, by the code that loads the published file, on a state-dict made here."""

import hashlib
import pickle
from pathlib import Path

import pytest
import torch

from tracin.model import Architecture, backbone_state, build_model, load_backbone
from tracin.weights import fetch, published_url, read_state_dict

RESNET18 = Architecture("resnet18", classes=4)


@pytest.fixture
def published(tmp_path: Path) -> str:
    """A file named as torchvision names its own, at an address of its own."""
    plain = tmp_path / "plain.pth"
    torch.save(build_model(Architecture("resnet18", classes=1000)).state_dict(), plain)
    digest = hashlib.sha256(plain.read_bytes()).hexdigest()[:8]
    return plain.rename(tmp_path / f"resnet18-{digest}.pth").as_uri()


def test_published_file_is_fetched_checked_and_loaded(published: str, tmp_path: Path) -> None:
    path = fetch(published, tmp_path / "cache")
    state, model = read_state_dict(path), build_model(RESNET18)
    load_backbone(model, state, path)
    for name, tensor in backbone_state(model).items():
        assert torch.equal(tensor, state[name])
    path.write_bytes(path.read_bytes()[:-10])
    assert read_state_dict(fetch(published, tmp_path / "cache"))


def test_a_file_with_another_hash_is_refused(published: str, tmp_path: Path) -> None:
    good = Path(published.removeprefix("file://"))
    other = good.rename(good.with_name("resnet18-00000000.pth"))
    with pytest.raises(RuntimeError, match="hash"):
        fetch(other.as_uri(), tmp_path / "cache")


def test_published_addresses_carry_a_hash() -> None:
    assert published_url("resnet50").rsplit("/", 1)[-1].startswith("resnet50-")


def test_wrong_shapes_and_missing_keys_are_named() -> None:
    state = build_model(Architecture("resnet18", classes=2, stem="small")).state_dict()
    del state["layer1.0.conv1.weight"]
    with pytest.raises(ValueError, match=r"missing layer1\.0\.conv1\.weight.*conv1\.weight is"):
        load_backbone(build_model(RESNET18), state, "mine.pth")


def test_code_in_a_pickle_is_never_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (tmp_path / "sprung",))  # type: ignore[return-value]

    (tmp_path / "trap.pth").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ValueError, match="can't be read as plain weights"):
        read_state_dict(tmp_path / "trap.pth")
    assert not (tmp_path / "sprung").exists()
