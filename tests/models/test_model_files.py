"""Saving and loading: the same logits, and one clear line for every kind of bad file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import salanet
from salanet.errors import FileError
from salanet.models import SalaNet, create_model


@pytest.fixture
def model() -> SalaNet:
    torch.manual_seed(1)
    return create_model(
        metadata={"codes": {"ground": 2}},
        width=4,
        in_channels=3,
        features=("one", "returns"),
        classes=("ground", "other"),
        grid=0.5,
    ).eval()


def test_round_trip(model: SalaNet, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    salanet.save(model, path, {"licence": "CC0"})
    back = salanet.load(path)
    assert back.config == model.config
    assert back.metadata == {"codes": {"ground": 2}, "licence": "CC0"}
    assert not back.training
    points, features = torch.rand(40, 3) * 3, torch.randn(40, 3)
    assert torch.equal(back(features, back.pyramid(points)), model(features, model.pyramid(points)))


def test_model_files_have_the_usual_permissions(model: SalaNet, tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    salanet.save(model, tmp_path / "model.safetensors")
    mode = (tmp_path / "model.safetensors").stat().st_mode
    assert mode == (tmp_path / "other").stat().st_mode


def test_unreadable_files(model: SalaNet, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    with pytest.raises(FileError, match="no such model file"):
        salanet.load(path)

    path.write_bytes(b"")
    with pytest.raises(FileError, match="not a readable safetensors file"):
        salanet.load(path)

    salanet.save(model, path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(FileError, match="not a readable safetensors file"):
        salanet.load(path)

    save_file({"x": torch.zeros(3)}, path)
    with pytest.raises(FileError, match="not a SalaNet model"):
        salanet.load(path)


def test_a_model_that_does_not_fit(model: SalaNet, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    document = {"config": model.config.model_dump(mode="json"), "metadata": {}}
    tensors = dict(model.state_dict())
    tensors.pop("head.1.bias")
    save_file(tensors, path, metadata={"salanet": json.dumps(document)})
    with pytest.raises(FileError, match=r"does not fit .*head\.1\.bias"):
        salanet.load(path)

    document["config"]["operator"] = "from the future"
    save_file(tensors, path, metadata={"salanet": json.dumps(document)})
    with pytest.raises(FileError, match=r"does not fit .*from the future"):
        salanet.load(path)

    save_file(tensors, path, metadata={"salanet": "{not json"})
    with pytest.raises(FileError, match="does not fit"):
        salanet.load(path)


def test_an_unwritable_place(model: SalaNet, tmp_path: Path) -> None:
    with pytest.raises(FileError):
        salanet.save(model, tmp_path / "absent" / "model.safetensors")
    assert list(tmp_path.iterdir()) == []
