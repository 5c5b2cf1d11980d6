"""The QGIS plugin in QGIS itself, without a window, where `qgis_process` is installed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import salanet
from salanet.datasets.town import town

# Debian's /usr/bin/qgis_process adds an option of /etc/default/qgis that the program does not know.
PROGRAM = shutil.which("qgis_process.bin") or shutil.which("qgis_process")
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="QGIS (qgis_process) is not installed")
PLUGINS = Path(__file__).parents[2] / "integrations" / "qgis"
START = (
    f'import sys; sys.path.insert(0, "{Path(salanet.__file__).parents[1]}"); '
    "from salanet.cli.main import main; sys.exit(main())"
)


class Qgis:
    """QGIS with a profile of its own, the plugin enabled."""

    def __init__(self, folder: Path) -> None:
        command = folder / "salanet"
        command.write_text(f"#!/bin/sh\nexec '{sys.executable}' -c '{START}' \"$@\"\n")
        command.chmod(0o755)
        self.environment = os.environ | {
            "QT_QPA_PLATFORM": "offscreen",
            "QGIS_CUSTOM_CONFIG_PATH": str(folder / "profile"),
            "QGIS_PLUGINPATH": str(PLUGINS),
            "XDG_RUNTIME_DIR": str(folder),
            "SALANET_EXECUTABLE": str(command),
        }
        self.environment.pop("PYTHONPATH", None)
        self.call("plugins", "enable", "salanet")

    def arguments(self, *words: object) -> list[str]:
        return [str(PROGRAM), *map(str, words)]

    def call(self, *words: object, ok: bool = True) -> str:
        done = subprocess.run(
            self.arguments(*words), capture_output=True, text=True, env=self.environment
        )
        assert (done.returncode == 0) is ok, done.stdout + done.stderr
        return done.stdout + done.stderr

    def run(self, name: str, ok: bool = True, **parameters: object) -> str:
        given = [f"{key}={value}" for key, value in parameters.items()]
        return self.call("run", f"salanet:{name}", "--", *given, ok=ok)


@pytest.fixture(scope="module")
def qgis(tmp_path_factory: pytest.TempPathFactory) -> Qgis:
    return Qgis(tmp_path_factory.mktemp("qgis"))


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scan") / "town.laz"
    salanet.write(path, town(5, size=24))
    return path


@pytest.fixture(scope="module")
def polygons(scan: Path) -> Path:
    """Two layers' worth of squares that overlap, over the western half."""
    cloud = salanet.read(scan)
    west, south = cloud.xyz[:, :2].min(axis=0)
    path = scan.with_name("area.geojson")
    features: list[Any] = []
    for x, y in ((0, 0), (0, 10)):
        a, b = west + x, south + y
        ring = [[a, b], [a + 12, b], [a + 12, b + 20], [a, b + 20], [a, b]]
        geometry = {"type": "Polygon", "coordinates": [ring]}
        features.append({"type": "Feature", "properties": {}, "geometry": geometry})
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def test_algorithms_are_there(qgis: Qgis) -> None:
    listed = qgis.call("list")
    for name in ("label", "smooth", "refine", "terrain"):
        assert f"salanet:{name}" in listed
    told = qgis.call("help", "salanet:label")
    assert "Label a point cloud" in told and "REGULARISE" in told


def test_label_and_smooth(qgis: Qgis, scan: Path, tmp_path: Path) -> None:
    to = tmp_path / "new folder" / "out.laz"
    more = {"MODEL": "aerial", "KEEP": "none", "CONFIDENCE": "true"}
    said = qgis.run("label", INPUT=scan, OUTPUT=to, **more)
    assert "points" in said and "ground: " in said
    salanet.label(scan, tmp_path / "b.laz", "aerial", rules=salanet.Rules("none"), confidence=True)
    assert to.read_bytes() == (tmp_path / "b.laz").read_bytes()
    smooth = tmp_path / "smooth.laz"
    qgis.run("smooth", INPUT=to, OUTPUT=smooth, SIZE=5)
    salanet.smooth(to, tmp_path / "c.laz", size=5)
    assert smooth.read_bytes() == (tmp_path / "c.laz").read_bytes()


def test_within_a_layer(qgis: Qgis, scan: Path, polygons: Path, tmp_path: Path) -> None:
    to, before = tmp_path / "o.laz", salanet.read(scan)
    salanet.label(scan, tmp_path / "all.laz", "aerial", rules=salanet.Rules("none"))
    more = {"MODEL": "aerial", "KEEP": "none"}
    qgis.run("label", INPUT=scan, OUTPUT=to, AREA=polygons, **more)
    after, everywhere = salanet.read(to), salanet.read(tmp_path / "all.laz")
    west, south = before.xyz[:, :2].min(axis=0)
    x, y = (before.xyz[:, :2] - [west, south]).T
    inside = (x < 12) & (y < 30)
    np.testing.assert_array_equal(after.label[~inside], before.label[~inside])
    np.testing.assert_array_equal(after.label[inside], everywhere.label[inside])


def test_refine(qgis: Qgis, scan: Path, polygons: Path, town_model: Path, tmp_path: Path) -> None:
    to = tmp_path / "mine.safetensors"
    qgis.run("refine", INPUT=scan, AREA=polygons, MODEL=town_model, OUTPUT=to)
    assert salanet.open_model(to).config.classes


def test_terrain(qgis: Qgis, scan: Path, tmp_path: Path) -> None:
    rasterio = pytest.importorskip("rasterio")
    to = tmp_path / "dtm.tif"
    qgis.run("terrain", INPUT=scan, OUTPUT=to, CELL=2)
    with rasterio.open(to) as raster:
        assert raster.count == 2 and raster.res == (2, 2)


def test_failures_are_one_line(qgis: Qgis, tmp_path: Path) -> None:
    said = qgis.run("label", ok=False, INPUT=tmp_path / "none.laz", OUTPUT=tmp_path / "o.laz")
    assert "none.laz: no such file" in said and "Traceback" not in said


def test_cancelled(qgis: Qgis, scan: Path, tmp_path: Path) -> None:
    """Ctrl-C at qgis_process leaves no result, and no process."""
    to = tmp_path / "o.laz"
    words = ["run", "salanet:label", "--", f"INPUT={scan}", f"OUTPUT={to}", "MODEL=aerial"]
    process = subprocess.Popen(
        qgis.arguments(*words), env=qgis.environment, stdout=subprocess.DEVNULL
    )
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    process.wait(timeout=60)
    assert not to.exists() or process.returncode == 0
