"""`salanet export`: what it writes, says and refuses."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import salanet
from salanet.cli.main import main
from salanet.models import create_model

for _package in ("onnx", "onnxscript", "onnxruntime"):
    pytest.importorskip(_package)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "model.safetensors"
    made = create_model(in_channels=1, features=["one"], classes=("a", "b"), width=4)
    salanet.save(made, path)
    return path


def test_json_tells_size_and_agreement(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(model), "--json"]) == 0
    told = capsys.readouterr()
    report = json.loads(told.out)
    begins, checks = told.err.splitlines()
    assert "converting it to ONNX, float32; this takes up to a minute" in begins
    assert "comparing its logits and labels with PyTorch's on a generated cloud" in checks
    written = model.with_suffix(".onnx")
    assert report["output"] == str(written) and report["bytes"] == written.stat().st_size
    assert report["precision"] == "float32"
    assert report["difference"] < 1e-4 and report["labels"] == 1


def test_float16_weights_load_like_any_model(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    half = tmp_path / "half.safetensors"
    assert main(["export", str(model), "-o", str(half), "--precision", "float16"]) == 0
    assert "labels are the same" in capsys.readouterr().out
    assert half.stat().st_size < model.stat().st_size
    loaded = salanet.load(half)
    assert loaded.metadata["precision"] == "float16"
    assert {p.dtype.itemsize for p in loaded.parameters()} == {4}


def test_int8_is_calibrated_on_scenes(
    town_model: Path, town_scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = tmp_path / "small.onnx"
    arguments = ["--precision", "int8", "--calibrate", str(town_scenes / "train"), "--json"]
    assert main(["export", str(town_model), "-o", str(small), *arguments]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["precision"] == "int8" and report["labels"] > 0.5  # of a hardly trained model


def test_scenes_to_calibrate_on_are_looked_for_before_the_work(
    model: Path, town_scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = ["export", str(model), "-o", str(tmp_path / "m.onnx"), "--precision", "int8"]
    for scenes, message in {
        tmp_path / "none": "none",
        town_scenes / "train": "was prepared with cells of 0.5, but the model works on 0.04",
    }.items():
        for more in ([], ["--dry-run"]):
            assert main([*wanted, "--calibrate", str(scenes), *more]) == 2
            error = capsys.readouterr().err
            assert message in error and error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_dry_run_writes_nothing(model: Path, tmp_path: Path) -> None:
    assert main(["export", str(model), "-o", str(tmp_path / "m.onnx"), "--dry-run"]) == 0
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["-o", "{model}"], "would be overwritten"),
        (["-o", "{folder}/m.safetensors"], "would be the model again"),
        (["-o", "{folder}/m.pb"], "ends in .onnx or .safetensors"),
        (["-o", "{folder}/m.onnx", "--precision", "int8"], "int8 needs --calibrate"),
        (["-o", "{folder}/m.onnx", "--calibrate", "{folder}"], "int8 needs --calibrate"),
        (["-o", "{folder}/none/m.onnx"], "cannot write here"),
    ],
)
def test_refusals(
    arguments: list[str],
    message: str,
    model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    filled = [part.format(model=model, folder=tmp_path) for part in arguments]
    assert main(["export", str(model), *filled]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("package", ["onnx", "onnxscript", "onnxruntime"])
def test_a_missing_package_is_found_before_the_work(
    package: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # importing it fails
    for more in ([], ["--dry-run"]):
        assert main(["export", "rooms", "-o", str(tmp_path / "rooms.onnx"), *more]) == 2
        error = capsys.readouterr().err
        assert f"'{package}', which is not installed: pip install 'salanet[export]'" in error
        assert error.count("\n") == 1 and not list(tmp_path.iterdir())


def test_a_shipped_model_by_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["export", "rooms", "--dry-run"]) == 0
    assert "rooms would be written to rooms.onnx as float32" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["export", "--help"])
    assert "name of one that comes with the package" in " ".join(capsys.readouterr().out.split())


def test_a_network_that_cannot_be_exported_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "rival.safetensors"
    options = {"in_channels": 1, "features": ["one"], "classes": ("a", "b")}
    salanet.save(create_model(network="pointnet2", **options), path)
    assert main(["export", str(path), "--dry-run"]) == 2
    assert "'pointnet2' cannot be exported" in capsys.readouterr().err
