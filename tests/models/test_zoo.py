"""Models by name: what comes with the package, without reading its weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import salanet
from salanet import model_file
from salanet.cli.main import main
from salanet.errors import ConfigError, FileError
from salanet.models import Network, create_model


def model(domain: str = "indoor", width: int = 4, **metadata: object) -> Network:
    features = ("one", "rgb") if domain == "indoor" else ("one", "intensity", "returns")
    return create_model(
        width=width,
        in_channels=4,
        features=features,
        classes=("floor", "wall"),
        grid=0.04 if domain == "indoor" else 0.25,
        metadata={"domain": domain, "licence": "CC0", "optional": ["rgb"], **metadata},
    )


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with two models."""
    torch.manual_seed(0)
    card = "# rooms\n\nTrained on made-up rooms."
    salanet.save(model(card=card, metrics={"mIoU": 0.71}), tmp_path / "rooms.safetensors")
    salanet.save(model("airborne", optional=[]), tmp_path / "aerial.safetensors")
    (tmp_path / "aerial.md").write_text("# aerial\n")
    monkeypatch.setattr(model_file, "FOLDER", tmp_path)
    return tmp_path


def test_entries(shipped: Path) -> None:
    aerial, rooms = model_file.entries()
    assert model_file.names() == [aerial.name, rooms.name] == ["aerial", "rooms"]
    assert (rooms.domain, rooms.config.grid, rooms.path.parent) == ("indoor", 0.04, shipped)
    assert rooms.text().startswith("# rooms\n") and aerial.text() == "# aerial"
    loaded = salanet.load("rooms")
    assert rooms.parameters == sum(p.numel() for p in loaded.parameters())
    assert loaded.metadata["domain"] == "indoor" and not loaded.training


def test_names_and_files(shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="no model 'flats'; there are aerial, rooms"):
        salanet.load("flats")
    with pytest.raises(FileError, match="no such model file"):
        salanet.load("flats.safetensors")
    with pytest.raises(FileError, match="no such model file"):
        salanet.load(tmp_path / "flats")
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / "aerial").write_bytes((shipped / "rooms.safetensors").read_bytes())
    assert salanet.load("aerial").metadata["domain"] == "indoor"


def test_what_is_no_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_file, "FOLDER", tmp_path)
    assert model_file.entries() == []
    with pytest.raises(ConfigError, match="no models come with this installation"):
        salanet.load("rooms")
    (tmp_path / "bad.safetensors").write_bytes(b"bad")
    with pytest.raises(FileError, match="not a readable safetensors file"):
        model_file.entries()


def test_the_command_lists_and_shows(shipped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--json"]) == 0
    aerial, rooms = json.loads(capsys.readouterr().out)
    assert rooms["name"] == "rooms" and rooms["metrics"] == {"mIoU": 0.71}
    assert rooms["classes"] == ["floor", "wall"] and rooms["optional"] == ["rgb"]
    assert rooms["bytes"] == (shipped / "rooms.safetensors").stat().st_size
    assert aerial["domain"] == "airborne" and aerial["features"] == ["one", "intensity", "returns"]
    assert main(["models"]) == 0
    out = capsys.readouterr().out
    assert "rooms" in out and "aerial" in out
    assert main(["models", "rooms"]) == 0
    out = capsys.readouterr().out
    assert "Trained on made-up rooms." in out and "licence: CC0" in out and "mIoU 0.71" in out
    assert main(["models", "rooms", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["card"].startswith("# rooms")
    assert main(["models", "flats"]) == 2
    assert "there are aerial, rooms" in capsys.readouterr().err


def test_an_installation_without_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(model_file, "FOLDER", tmp_path)
    assert main(["models"]) == 0
    assert "no models come with this installation" in capsys.readouterr().out


def test_shipped_models_say_what_they_are() -> None:
    for entry in model_file.entries():
        record = entry.record()
        assert record["domain"] in ("indoor", "airborne"), entry.name
        assert record["licence"] and record["metrics"] and entry.text(), entry.name
        assert isinstance(entry.card.spacing, float), entry.name
        assert len(entry.card.codes or ()) == len(entry.config.classes), entry.name
        assert record["bytes"] < 10e6, entry.name
        salanet.load(entry.name)
