"""The stage of a PDAL pipeline, called as PDAL calls it; and PDAL itself, where it is installed."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import salanet
from salanet.datasets.town import town

PDAL = Path(__file__).parents[2] / "integrations" / "pdal"


@pytest.fixture
def stage() -> ModuleType:
    spec = importlib.util.spec_from_file_location("pdal_label", PDAL / "label.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_as_pdal_calls_it(stage: ModuleType, tmp_path: Path) -> None:
    cloud = town(5, size=24)
    x, y, z = cloud.xyz.T
    assert cloud.intensity is not None
    ins = {"X": x, "Y": y, "Z": z, "Intensity": cloud.intensity.astype(np.uint16)}
    ins["ReturnNumber"] = cloud.attributes["return_number"]
    ins["NumberOfReturns"] = cloud.attributes["number_of_returns"]
    outs: dict[str, np.ndarray] = {}
    stage.pdalargs = {"model": "aerial", "confidence": True}
    with pytest.warns(UserWarning):
        assert stage.label(ins, outs) is True
    assert outs["Classification"].dtype == np.uint8 and outs["Confidence"].dtype == np.float32
    plain = cloud.rows(np.arange(len(cloud)))
    plain.label = None
    salanet.write(tmp_path / "a.laz", plain)
    salanet.label(tmp_path / "a.laz", tmp_path / "b.laz", "aerial")
    found = salanet.read(tmp_path / "b.laz").label
    assert (found == outs["Classification"]).mean() > 0.999


def test_colours_of_16_bits(stage: ModuleType) -> None:
    ins = {name: np.arange(3.0) for name in "XYZ"}
    ins |= {name: np.array([0, 256, 65535], np.uint16) for name in ("Red", "Green", "Blue")}
    assert stage.cloud_of(ins).rgb[:, 0].tolist() == [0, 1, 255]
    ins |= {name: np.array([0, 7, 255], np.uint16) for name in ("Red", "Green", "Blue")}
    assert stage.cloud_of(ins).rgb[:, 0].tolist() == [0, 7, 255]


def test_pipelines_are_json() -> None:
    stages = json.loads((PDAL / "label.json").read_text())
    assert stages[1]["function"] == "label" and stages[1]["script"] == "label.py"
    assert json.loads((PDAL / "ground.json").read_text())[-1]["type"] == "writers.gdal"


@pytest.mark.skipif(shutil.which("pdal") is None, reason="PDAL is not installed")
def test_in_pdal(tmp_path: Path) -> None:
    for name in ("label.py", "label.json"):
        shutil.copy(PDAL / name, tmp_path)
    drivers = subprocess.run(["pdal", "--drivers"], capture_output=True, text=True).stdout
    if "filters.python" not in drivers:
        pytest.skip("PDAL has no filters.python")
    salanet.write(tmp_path / "survey.laz", town(5, size=24))
    subprocess.run(["pdal", "pipeline", "label.json"], cwd=tmp_path, check=True)
    found = salanet.read(tmp_path / "labelled.laz")
    assert len({*found.label.tolist()}) > 2 and "Confidence" in found.attributes
