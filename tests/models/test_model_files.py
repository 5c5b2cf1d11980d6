"""Saving and loading: the same logits, and one clear line for every kind of bad file."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import salanet
from salanet import model_file
from salanet.engine import Segmenter
from salanet.errors import ConfigError, FileError, SalaNetError
from salanet.failures import is_memory
from salanet.model_config import ModelConfig
from salanet.models import SalaNet, create_model, files
from salanet.models.files import header


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
    with pytest.raises(
        FileError, match=r"needs the operator 'from the future', which this version has not"
    ):
        salanet.load(path)

    save_file(tensors, path, metadata={"salanet": "{not json"})
    with pytest.raises(FileError, match="does not fit"):
        salanet.load(path)


BOMBS = [
    {"width": 40_000},
    {"width": 10**12},
    {"width": 10**30},
    {"operator": "kpconv", "operator_options": {"points": 20_000}},
    {"operator": "sala_g4", "operator_options": {"groups": 10**8}},
    {"operator_options": {"groups": 10**8}},
    {"operator_options": {"lift": 10**8}},
    {"in_channels": 10**9},
    {"classes": [], "parts": {"Chair": 10**9}},
    {"classes": [], "parts": {str(i): 2 for i in range(2000)}},
    {"neighbours": [10**9] * 5},
    {"grid": math.inf},
]


@pytest.mark.parametrize("change", BOMBS)
@pytest.mark.parametrize("empty", [True, False])
def test_what_the_tensors_do_not_justify(
    model: SalaNet, change: dict, empty: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused before a network is made that takes memory."""
    path = tmp_path / "model.safetensors"
    document = {"config": model.config.model_dump(mode="json") | change, "metadata": {}}
    tensors = {} if empty else dict(model.state_dict())
    save_file(tensors, path, metadata={"salanet": json.dumps(document)})

    def create(config: ModelConfig, *rest: object, original=files.create_network) -> object:
        assert torch.empty(0).is_meta
        return original(config, *rest)

    monkeypatch.setattr(files, "create_network", create)
    with pytest.raises(FileError, match="does not fit"):
        salanet.load(path)
    with suppress(SalaNetError):  # no network is made: the tensors are counted
        model_file.describe(path).record()
    if empty or change.keys() & {"width", "in_channels", "parts", "operator", "operator_options"}:
        with pytest.raises(SalaNetError):
            Segmenter(path)


def test_kernels_of_few_points_only() -> None:
    with pytest.raises(ConfigError, match="a kernel has 1 to 64"):
        create_model(
            operator="kpconv", operator_options={"points": 65}, in_channels=1, classes=("a",)
        )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, "nested too deeply"),
        ("[]", "its JSON is no object"),
        ('{"config": {}, "metadata": 3}', "no object 'metadata'"),
        ('{"config": {}, "metadata": {"codes": [2, "x"]}}', r"'codes' is \[2, 'x'\], not a list"),
        ('{"config": {}, "metadata": {"codes": [4294967296]}}', "'codes' is"),
        ('{"config": {}, "metadata": {"intensity_scale": -1}}', "'intensity_scale' is -1"),
        ('{"config": {}, "metadata": {"spacing": Infinity}}', "'spacing' is inf"),
        ('{"config": {}, "metadata": {"domain": ["a"]}}', "'domain' is"),
        ('{"config": {}, "metadata": {"optional": [3]}}', "'optional' is"),
    ],
)
def test_a_damaged_document(text: str, message: str, tmp_path: Path) -> None:
    """One line from each that reads it: with PyTorch, without, and the list of models."""
    path = tmp_path / "model.safetensors"
    save_file({"x": torch.zeros(3)}, path, metadata={"salanet": text})
    for read in (salanet.load, Segmenter, model_file.describe):
        with pytest.raises(FileError, match=message):
            read(path)


def test_tensors_of_another_type(model: SalaNet, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    text = header(model)
    tensors = {name: tensor.to(torch.int32) for name, tensor in model.state_dict().items()}
    save_file(tensors, path, metadata={"salanet": text})
    for read in (salanet.load, Segmenter):
        with pytest.raises(FileError, match="of the type"):
            read(path)
    tensors = {
        name: tensor.to(torch.bfloat16) if tensor.is_floating_point() else tensor
        for name, tensor in model.state_dict().items()
    }
    save_file(tensors, path, metadata={"salanet": text})
    assert Segmenter(path).config == salanet.load(path).config


def test_too_little_memory_is_told_as_such(
    model: SalaNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.safetensors"
    salanet.save(model, path)

    def create(*arguments: object, original=files.create_network) -> object:
        if not torch.empty(0).is_meta:
            raise RuntimeError("can't allocate memory: you tried to allocate 8 bytes")
        return original(*arguments)

    monkeypatch.setattr(files, "create_network", create)
    with pytest.raises(RuntimeError, match="can't allocate") as caught:
        salanet.load(path)
    assert is_memory(caught.value)


def test_an_unwritable_place(model: SalaNet, tmp_path: Path) -> None:
    with pytest.raises(FileError):
        salanet.save(model, tmp_path / "absent" / "model.safetensors")
    assert list(tmp_path.iterdir()) == []
