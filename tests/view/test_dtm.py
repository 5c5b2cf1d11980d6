"""Terrain models of labelled files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from salanet import io
from salanet.cli.main import main
from salanet.cloud import PointCloud
from salanet.errors import DataError, FileError
from salanet.io.las import binary
from salanet.view.dtm import NOWHERE, write_dtm

rasterio = pytest.importorskip("rasterio")

WKT = (
    'PROJCS["RGF93 / Lambert-93",GEOGCS["RGF93",DATUM["RGF93",SPHEROID["GRS 1980",6378137,'
    '298.257222101]],PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433]],'
    'PROJECTION["Lambert_Conformal_Conic_2SP"],PARAMETER["latitude_of_origin",46.5],'
    'PARAMETER["central_meridian",3],PARAMETER["standard_parallel_1",49],'
    'PARAMETER["standard_parallel_2",44],PARAMETER["false_easting",700000],'
    'PARAMETER["false_northing",6600000],UNIT["metre",1],AUTHORITY["EPSG","2154"]]'
)


def hillside(seed: int, west: float = 0.0) -> PointCloud:
    """A slope with houses: ground is 2, houses 6."""
    rng = np.random.default_rng(seed)
    xyz = rng.uniform(0.01, 49.99, (20_000, 3)) + [west, 0, 0]
    house = (np.abs(xyz[:, :2] - [west + 25, 25]) < 5).all(axis=1)
    xyz[:, 2] = 200 + 0.2 * xyz[:, 1] + np.where(house, 8.0, 0.0)
    label = np.where(house, 6, 2)
    return PointCloud(xyz + [651_000, 6_861_000, 0], label=label.astype(np.int32))


def test_tiles_become_one_raster(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for i in range(2):
        io.write(tmp_path / f"{i}.laz", hillside(i, 50.0 * i))
    to = tmp_path / "dtm.tif"
    assert main(["terrain", str(tmp_path / "*.laz"), "-o", str(to), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["columns"], said["rows"], said["points"]) == (100, 50, 40_000)
    assert said["empty"] == 0 and 0.03 < said["filled"] < 0.05
    assert said["remarks"] == ["no file names a reference system: the raster has none"]
    with rasterio.open(to) as file:
        heights, filled = file.read()
        assert file.nodata == NOWHERE and file.res == (1.0, 1.0)
        assert tuple(file.bounds) == (651_000, 6_861_000, 651_100, 6_861_050)
        rows = np.arange(50)[:, None] + np.zeros(100)
        slope = 200 + 0.2 * (49.5 - rows)
        assert np.abs(heights - slope)[filled == 0].max() < 0.2
        assert np.abs(heights - slope)[filled == 1].max() < 1.0  # no house is left
        place = next(file.sample([(651_025, 6_861_010)]))
        assert place[0] == pytest.approx(202, abs=0.2)


def test_the_reference_system_and_its_units(tmp_path: Path) -> None:
    cloud = hillside(0)
    io.write(tmp_path / "a.laz", cloud)
    las_file = io.read(tmp_path / "a.laz")
    las_file.source.file.vlrs.append(
        binary.Vlr.new(b"LASF_Projection", 2112, b"", WKT.encode() + b"\0")
    )
    io.write(tmp_path / "a.laz", las_file)
    report = write_dtm([tmp_path / "a.laz"], tmp_path / "a.tif", cell=2.0)
    assert report.remarks == [] and (report.columns, report.rows) == (25, 25)
    with rasterio.open(tmp_path / "a.tif") as file:
        assert file.crs.to_epsg() == 2154
    io.write(tmp_path / "b.laz", cloud)
    with pytest.raises(DataError, match="different reference systems: RGF93 / Lambert-93 and none"):
        write_dtm([tmp_path / "a.laz", tmp_path / "b.laz"], tmp_path / "c.tif")
    assert not (tmp_path / "c.tif").exists()


def test_labels_of_other_names(tmp_path: Path) -> None:
    cloud = hillside(0)
    cloud.label = np.where(cloud.label == 2, 1, 0).astype(np.int32)
    cloud.class_names = {0: "building", 1: "Ground"}
    io.write(tmp_path / "a.ply", cloud)
    named = write_dtm([tmp_path / "a.ply"], tmp_path / "named.tif")
    cloud.class_names = {}
    io.write(tmp_path / "b.ply", cloud)
    with pytest.raises(DataError, match="no point is ground"):
        write_dtm([tmp_path / "b.ply"], tmp_path / "none.tif")
    given = write_dtm([tmp_path / "b.ply"], tmp_path / "given.tif", codes=[1])
    assert named.ground == given.ground == (cloud.label == 1).sum()
    cloud.label = None
    io.write(tmp_path / "c.ply", cloud)
    with pytest.raises(FileError, match="has no labels"):
        write_dtm([tmp_path / "c.ply"], tmp_path / "c.tif")


def test_a_stray_ground_point_does_not_stretch_the_raster(tmp_path: Path) -> None:
    cloud = hillside(0)
    cloud.xyz[7] = 0.0
    cloud.label[7] = 2  # type: ignore[index]
    io.write(tmp_path / "a.ply", cloud)
    report = write_dtm([tmp_path / "a.ply"], tmp_path / "a.tif", codes=[2])
    assert (report.columns, report.rows) == (50, 50)
    assert "1 ground points lie far off and were left out" in report.remarks


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-o", "a.laz"], "a terrain model is a GeoTIFF"),
        (["-o", "a.tif", "--cell", "0"], "must be positive"),
        (["-o", "a.tif", "--reach", "-1"], "must be positive"),
    ],
)
def test_mistakes(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    io.write(tmp_path / "a.ply", hillside(0))
    options[1] = str(tmp_path / options[1])
    assert main(["terrain", str(tmp_path / "a.ply"), *options]) == 2
    assert message in capsys.readouterr().err
