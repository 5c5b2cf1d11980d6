"""Refining: what was checked is learned, the rest is held, and the file says what became of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import salanet
from salanet.cli.main import main
from salanet.cloud import PointCloud
from salanet.datasets.town import ORIGIN, SHRUB, TREE, town
from salanet.errors import ConfigError, DataError, FileError
from salanet.io.area import Area
from salanet.models import load
from salanet.training.refine import Checked, Refining, refine

SIZE = 30
X, Y = ORIGIN[:2]
HALF = f"POLYGON(({X} {Y}, {X + 15} {Y}, {X + 15} {Y + SIZE}, {X} {Y + SIZE}, {X} {Y}))"
WEST = Checked(Area.read(HALF))
STEPS = Refining(steps=100, rate=2e-2, share=1.0)


@pytest.fixture(scope="module")
def corrected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A town with its true classes; the model of these tests is wrong in places."""
    path = tmp_path_factory.mktemp("refine") / "town.laz"
    salanet.write(path, town(11, size=SIZE))
    return path


def codes_of(model: Path, cloud: PointCloud) -> NDArray[np.int64]:
    codes = np.array(load(model).metadata["codes"])
    return codes[salanet.segment(model, cloud, alignment=None).labels]


def test_what_was_checked_carries_over(town_model: Path, tmp_path: Path) -> None:
    """Whoever checked calls every plant a shrub, so the model is wrong at all trees."""
    cloud = town(11, size=SIZE)
    assert cloud.label is not None
    cloud.label[cloud.label == TREE] = SHRUB
    salanet.write(tmp_path / "town.laz", cloud)
    report = refine([tmp_path / "town.laz"], town_model, tmp_path / "new.safetensors", WEST, STEPS)
    assert report.right_after > report.right_before
    assert 0 < report.corrected < report.checked / 2
    assert report.checked + report.others == len(cloud)
    east = cloud.xyz[:, 0] > X + 15
    former, present = (codes_of(m, cloud) for m in (town_model, tmp_path / "new.safetensors"))
    plants = east & (cloud.label == SHRUB)  # nobody has checked these
    assert (present == SHRUB)[plants].mean() > (former == SHRUB)[plants].mean() + 0.2
    moved = sum(sum(row.values()) for row in report.changed.values())
    assert moved == (former != present)[~WEST.rows(cloud, "")].sum()

    old, new = load(town_model), load(tmp_path / "new.safetensors")
    assert new.config == old.config
    assert new.metadata["refined"]["checked"] == report.checked
    assert new.metadata["parent"]["name"] == town_model.name
    assert not {"metrics", "validation", "card", "file"} & new.metadata.keys()  # of another model
    kept = ("codes", "intensity_scale", "recipe", "training_data")
    assert {name: new.metadata.get(name) for name in kept} == {
        name: old.metadata.get(name) for name in kept
    }


def test_same_files_same_model_and_a_share_of_it(
    town_model: Path, corrected: Path, tmp_path: Path
) -> None:
    few = Refining(steps=3, rate=5e-3, share=1.0)
    paths = [tmp_path / f"{name}.safetensors" for name in ("one", "two", "half")]
    for path, share in zip(paths, (1.0, 1.0, 0.5), strict=True):
        refine([corrected], town_model, path, WEST, Refining(3, few.rate, share=share))
    one, two, half = (load(path).state_dict() for path in paths)
    parent = load(town_model).state_dict()
    assert any(not torch.equal(one[name], parent[name]) for name in one)
    for name, tensor in one.items():
        assert torch.equal(tensor, two[name]), name
        if tensor.is_floating_point():
            torch.testing.assert_close(half[name], (tensor + parent[name]) / 2)


def test_marks_say_what_was_checked(town_model: Path, corrected: Path, tmp_path: Path) -> None:
    cloud = salanet.read(corrected)
    assert cloud.label is not None
    cloud.attributes["seen"] = np.zeros(len(cloud), np.uint8)
    cloud.attributes["seen"][:500] = 1
    cloud.label[:40] = 17  # which the model does not know
    salanet.write(tmp_path / "marked.laz", cloud)
    given = [str(tmp_path / "marked.laz"), "--from", str(town_model), "--marks", "seen"]
    out = tmp_path / "m.safetensors"
    assert main(["refine", *given, "-o", str(out), "--steps", "2", "--json"]) == 0
    report = refine([tmp_path / "marked.laz"], town_model, out, Checked(marks="seen"), Refining(2))
    assert (report.checked, report.unknown) == (460, {17: 40})


def test_report_as_json(
    town_model: Path, corrected: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "m.safetensors")
    words = ["refine", str(corrected), "--from", str(town_model), "-o", out, "--steps", "2"]
    assert main([*words, "--within", HALF, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["model"] == out and found["checked"] > 0 and found["files"] == [str(corrected)]
    assert main([*words, "--all"]) == 0
    said, notes = capsys.readouterr()
    assert found["remarks"] and all(f"note: {remark}" in notes for remark in found["remarks"])
    assert "points were checked" in said and "of 0 others, 0 have" in said


@pytest.mark.parametrize(
    "checked, error, message",
    [
        (Checked(Area.read("POLYGON((0 0, 1 0, 1 1, 0 0))")), ConfigError, "no point of the files"),
        (Checked(marks="nothing"), DataError, "'nothing'"),
    ],
)
def test_nothing_checked(
    town_model: Path,
    corrected: Path,
    tmp_path: Path,
    checked: Checked,
    error: type[Exception],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        refine([corrected], town_model, tmp_path / "m.safetensors", checked, STEPS)
    assert not list(tmp_path.iterdir())


def test_inputs_are_spared(town_model: Path, corrected: Path, tmp_path: Path) -> None:
    with pytest.raises(FileError, match="is an input"):
        refine([corrected], town_model, corrected, WEST, STEPS)
    with pytest.raises(FileError, match="is an input"):
        refine([corrected], town_model, town_model, WEST, STEPS)
    with pytest.raises(FileError, match=r"end in \.safetensors"):
        refine([corrected], town_model, tmp_path / "new.onnx", WEST, STEPS)
    assert not (tmp_path / "new.onnx").exists()
    with pytest.raises(FileError, match="no such folder"):
        refine([corrected], town_model, tmp_path / "nowhere" / "m.safetensors", WEST, STEPS)
    with pytest.raises(ConfigError, match="share"):
        Refining(share=0)
    assert main(["refine", str(corrected), "--from", "aerial", "-o", str(tmp_path / "m")]) == 2
