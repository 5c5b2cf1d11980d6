"""What files are said to hold, and what conversions are said to lose."""

from __future__ import annotations

import struct
from pathlib import Path

import laspy
import numpy as np
import pytest
from laspy.vlrs.known import WktCoordinateSystemVlr

from salanet import io
from salanet.cloud import PointCloud
from salanet.errors import FileError
from salanet.io.convert import convert
from salanet.io.crs import Crs, from_geotiff, from_wkt
from salanet.io.describe import density, describe

LAMBERT = (
    'PROJCS["RGF93 / Lambert-93",GEOGCS["RGF93",UNIT["degree",0.0174532925]],'
    'UNIT["metre",1,AUTHORITY["EPSG","9001"]],AUTHORITY["EPSG","2154"]]'
)
OREGON = (
    'COMPD_CS["Oregon + NAVD88",PROJCS["Oregon GIC",UNIT["foot",0.3048,AUTHORITY["EPSG","9002"]],'
    'AUTHORITY["EPSG","2992"]],VERT_CS["NAVD88",UNIT["metre",1],AUTHORITY["EPSG","5703"]]]'
)
TEXAS = (
    'PROJCRS["Texas",CS[Cartesian,2],LENGTHUNIT["US survey foot",0.304800609601219],'
    'ID["EPSG",2277]]'
)


def squares(count: int = 3200) -> PointCloud:
    """Points spread over 40 m × 20 m."""
    rng = np.random.default_rng(0)
    return PointCloud(
        rng.random((count, 3)) * [40, 20, 5] + [651000, 6861000, 0],
        rgb=rng.integers(0, 256, (count, 3)),
        intensity=rng.integers(0, 1000, count),
        label=np.arange(count) % 4,
        attributes={"ring": np.arange(count, dtype=np.uint16) % 64},
    )


@pytest.mark.parametrize("suffix", io.WRITABLE)
def test_figures_of_every_format(tmp_path: Path, suffix: str) -> None:
    cloud = squares()
    io.write(tmp_path / f"a{suffix}", cloud)
    found = describe(tmp_path / f"a{suffix}")
    assert found.points == 3200
    assert found.bytes == (tmp_path / f"a{suffix}").stat().st_size
    np.testing.assert_allclose(found.low, cloud.xyz.min(0), atol=1e-3)
    np.testing.assert_allclose(found.high, cloud.xyz.max(0), atol=1e-3)
    assert found.density == pytest.approx(4, rel=0.05)
    assert found.classes == {0: 800, 1: 800, 2: 800, 3: 800}
    limits = {a.name: (a.low, a.high) for a in found.attributes}
    assert limits["ring"] == (0, 63)
    assert limits["intensity"] == (cloud.intensity.min(), cloud.intensity.max())
    assert found.format.lower().startswith(suffix[1:])
    assert found.crs is None and found.warnings == []


def test_types_are_those_of_the_file(tmp_path: Path) -> None:
    io.write(tmp_path / "a.las", squares())
    found = describe(tmp_path / "a.las")
    types = {a.name: a.type for a in found.attributes}
    assert found.format == "LAS 1.4, point format 7"
    assert types["rgb"] == types["intensity"] == types["ring"] == "uint16"
    assert types["label"] == "uint8"


def test_density_counts_occupied_area_only() -> None:
    rng = np.random.default_rng(0)
    xyz = rng.random((8000, 3))
    xyz[4000:] += [99, 99, 0]
    alone, apart = density(xyz[:4000]), density(xyz)
    assert alone == pytest.approx(4000, rel=0.1)
    assert apart is not None and apart > 100  # 0.8 over the bounding rectangle
    assert density(np.zeros((100, 3))) is None
    assert density(xyz[:3]) is None


@pytest.mark.parametrize(
    "text, expected",
    [
        (LAMBERT, Crs("RGF93 / Lambert-93", 2154, "metre")),
        (OREGON, Crs("Oregon + NAVD88", 2992, "foot", "metre")),
        (TEXAS, Crs("Texas", 2277, "US survey foot")),
        (
            'GEOGCS["WGS 84",UNIT["degree",0.0174532925],AUTHORITY["EPSG","4326"]]',
            Crs("WGS 84", 4326, "degree"),
        ),
        ("", None),
        ("nothing of the kind", None),
    ],
)
def test_well_known_text(text: str, expected: Crs | None) -> None:
    assert from_wkt(text + "\0") == expected


def test_geotiff_keys() -> None:
    name = b"NAD83 / Oregon|"
    keys = [(1, 1, 0, 3), (3072, 0, 1, 2992), (3073, 34737, len(name), 0), (3076, 0, 1, 9003)]
    packed = b"".join(struct.pack("<4H", *key) for key in keys)
    assert from_geotiff(packed, name) == Crs("NAD83 / Oregon", 2992, "US survey foot")
    assert from_geotiff(struct.pack("<8H", 1, 1, 0, 1, 2048, 0, 1, 4326), b"") == Crs(
        "EPSG:4326", 4326, "degree"
    )
    assert from_geotiff(b"", b"") is None
    heights = [(1, 1, 0, 1), (3072, 0, 1, 2154), (3076, 0, 1, 9001), (4099, 0, 1, 9002)]
    packed = b"".join(struct.pack("<4H", *key) for key in heights)
    assert from_geotiff(packed, b"") == Crs("EPSG:2154", 2154, "metre", "foot")


def test_units_in_the_names_of_systems() -> None:
    name = b"NAD83 / Texas South Central (ftUS)|"
    keys = [(1, 1, 0, 2), (3072, 0, 1, 2278), (1026, 34737, len(name), 0)]
    packed = b"".join(struct.pack("<4H", *key) for key in keys)
    found = from_geotiff(packed, name)
    assert found is not None and found.unit == "US survey foot"
    named = from_wkt('PROJCS["NAD83 / Oregon GIC Lambert (ft)"]')
    assert named is not None and named.unit == "foot"


def test_what_may_surprise(tmp_path: Path) -> None:
    cloud = squares()
    cloud.xyz[1] = cloud.xyz[0]
    cloud.xyz[2, 1] = np.nan
    cloud.attributes["height"] = np.full(len(cloud), np.nan, np.float32)
    io.write(tmp_path / "a.npz", cloud)
    assert describe(tmp_path / "a.npz").warnings == [
        "1 points have NaN or infinite coordinates",
        "'height' has 3,200 NaN or infinite values",
        "1 points lie exactly on another one",
    ]
    degrees = PointCloud((squares().xyz - [651000, 6861000, 0]) * [1e-4, 1e-4, 10] + [2, 48, 0])
    io.write(tmp_path / "a.ply", degrees)
    assert describe(tmp_path / "a.ply").warnings[-1].startswith("x and y look like degrees")


def with_crs(path: Path, wkt: str = LAMBERT, deep: bool = False) -> None:
    header = laspy.LasHeader(version="1.4", point_format=7)
    header.scales = [0.001] * 3
    header.vlrs.append(WktCoordinateSystemVlr(wkt))
    header.vlrs.append(laspy.VLR("someone", 7, "private", b"x"))
    las = laspy.LasData(header)
    las.x, las.y, las.z = np.arange(30.0).reshape(3, 10)
    las.red = np.arange(10) * (1000 if deep else 256)
    las.write(path)


def test_reference_systems_and_units(tmp_path: Path) -> None:
    with_crs(tmp_path / "a.laz", OREGON)
    found = describe(tmp_path / "a.laz")
    assert found.crs == Crs("Oregon + NAVD88", 2992, "foot", "metre")
    assert found.warnings == []


def test_conversions_say_what_is_lost(tmp_path: Path) -> None:
    with_crs(tmp_path / "a.laz", deep=True)
    assert convert(tmp_path / "a.laz", tmp_path / "b.las") == []
    assert convert(tmp_path / "a.laz", tmp_path / "b.pcd") == [
        "the reference system (RGF93 / Lambert-93) is not kept",
        "1 records of the LAS file are not kept",
        "colours of 16 bits became 8 bits",
    ]
    cloud = PointCloud([[0.12345, 0, 0], [1000, 0, 0]], attributes={"id": np.array([1 << 60, 1])})
    cloud.attributes["huge"] = cloud.attributes["id"] + 1
    io.write(tmp_path / "a.npz", cloud)
    assert convert(tmp_path / "a.npz", tmp_path / "a.ply") == [
        "'huge' lost digits: PLY has no int64",
    ]
    assert convert(tmp_path / "a.npz", tmp_path / "c.laz") == [
        "coordinates are rounded, by 0.00045 at most"
    ]
    assert convert(tmp_path / "a.npz", tmp_path / "c.pcd") == []
    assert io.read(tmp_path / "c.pcd").attributes["id"].tolist() == [1 << 60, 1]


def test_conversions_never_touch_the_input(tmp_path: Path) -> None:
    with_crs(tmp_path / "a.laz")
    before = (tmp_path / "a.laz").read_bytes()
    with pytest.raises(FileError, match="is an input"):
        convert(tmp_path / "a.laz", tmp_path / "a.laz")
    with pytest.raises(FileError, match="read only"):
        convert(tmp_path / "a.laz", tmp_path / "a.e57")
    with pytest.raises(FileError, match="no such file"):
        convert(tmp_path / "none.laz", tmp_path / "b.laz")
    assert (tmp_path / "a.laz").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.laz"]
