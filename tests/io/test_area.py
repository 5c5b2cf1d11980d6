"""Polygons from GeoJSON and WKT, and what lies in them."""

from __future__ import annotations

import json
import pickle
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from salanet.errors import ConfigError
from salanet.io.area import Area
from salanet.io.crs import Crs

SQUARE = [[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]]
HOLE = [[4, 4], [6, 4], [6, 6], [4, 6], [4, 4]]
BESIDE = [[20, 0], [30, 0], [30, 10], [20, 0]]
POINTS = np.array([[5, 5], [1, 1], [11, 5], [28, 2], [22, 8], [np.nan, 5]], np.float64)
LAMBERT, UTM = Crs("Lambert", 2154, "metre"), Crs("UTM", 32631, "metre")


def geojson(folder: Path, content: Any) -> Path:
    path = folder / "area.geojson"
    path.write_text(json.dumps(content))
    return path


def test_holes_and_several_polygons(tmp_path: Path) -> None:
    expected = [False, True, False, True, False, False]
    shape = {"type": "MultiPolygon", "coordinates": [[SQUARE, HOLE], [BESIDE]]}
    wkt = (
        "MULTIPOLYGON Z (((0 0 1, 10 0 1, 10 10 1, 0 10 1, 0 0 1), (4 4 1, 6 4 1, 6 6 1, 4 6 1, "
        "4 4 1)), ((20 0 1, 30 0 1, 30 10 1, 20 0 1)))"
    )
    (tmp_path / "area.wkt").write_text(wkt)
    features = [
        {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": rings}}
        for rings in ([SQUARE, HOLE], [BESIDE], [BESIDE])
    ]
    together = {"type": "FeatureCollection", "features": features}
    parts = {"type": "GeometryCollection", "geometries": [shape]}
    for given_as in (shape, together, parts):
        assert Area.read(geojson(tmp_path, given_as)).contains(POINTS).tolist() == expected
    for text in (wkt, str(tmp_path / "area.wkt")):
        assert Area.read(text).contains(POINTS).tolist() == expected
    assert Area.read(wkt) == Area.read(tmp_path / "area.wkt") != Area([[SQUARE]])
    assert pickle.loads(pickle.dumps(Area.read(wkt))) == Area.read(wkt)


@given(
    st.lists(st.tuples(*[st.integers(-6, 6)] * 2), min_size=3, max_size=8),
    st.lists(st.tuples(*[st.integers(-7, 7)] * 2), min_size=1, max_size=20),
)
def test_as_the_winding_of_edges_says(corners: list[Any], points: list[Any]) -> None:
    """Points half a step off the corners' grid lie on no corner; each is asked by itself."""
    xy = np.array(points) + 0.5
    ring = [*corners, corners[0]]
    expected = []
    for x, y in xy.tolist():
        crossings = 0
        for (ax, ay), (bx, by) in pairwise(ring):
            if (ay > y) != (by > y):
                crossings += x < (bx - ax) * (y - ay) / (by - ay) + ax
        expected.append(crossings % 2 == 1)
    assert Area([[ring]]).contains(xy).tolist() == expected


def test_reference_systems(tmp_path: Path) -> None:
    named = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::2154"}}
    big = [[650000 + x, 6860000 + y] for x, y in SQUARE]
    area = Area.read(geojson(tmp_path, {"type": "Polygon", "coordinates": [big], "crs": named}))
    assert area.epsg == 2154
    area.require_system(LAMBERT, "a.laz")
    area.require_system(None, "a.ply")
    area.require_system(Crs("somebody's"), "a.laz")
    with pytest.raises(ConfigError, match=r"EPSG:2154, but a\.laz is in EPSG:32631: transform"):
        area.require_system(UTM, "a.laz")
    assert Area.read("SRID=2154;POLYGON((0 0, 9 0, 9 9, 0 0))").epsg == 2154
    assert Area.read("POLYGON((0 0, 9 0, 9 9, 0 0))").epsg is None
    plain = {"type": "Polygon", "coordinates": [SQUARE]}
    degrees = Area.read(geojson(tmp_path, plain))
    assert degrees.epsg == 4326
    with pytest.raises(ConfigError, match=r"degrees \(EPSG:4326\), but a\.laz is in EPSG:2154"):
        degrees.require_system(LAMBERT, "a.laz")
    assert Area.read(geojson(tmp_path, plain | {"coordinates": [big]})).epsg is None


@pytest.mark.parametrize(
    "content,message",
    [
        ({"type": "Point", "coordinates": [1, 2]}, "a Point is no area: polygons are"),
        ({"type": "LineString", "coordinates": SQUARE}, "a LineString is no area"),
        ({"type": "FeatureCollection", "features": []}, "has no polygon"),
        ({"type": "Polygon", "coordinates": []}, "has no polygon"),
        ({"type": "Polygon", "coordinates": [SQUARE[:3]]}, "at least four points"),
        ({"type": "Polygon", "coordinates": [[*SQUARE[:-1], [0, 1]]]}, "ends where it begins"),
        ({"type": "Polygon", "coordinates": [[1, 2, 3, 4]]}, "no list of points"),
        ({"type": "Polygon", "coordinates": 5}, "no list of points"),
        ({"type": "Polygon", "coordinates": [SQUARE], "crs": {"type": "link"}}, "crs has no name"),
        ({"type": "MultiPolygon", "coordinates": 5}, "has no polygon"),
        ({"type": "FeatureCollection", "features": 5}, "has no polygon"),
        ([1, 2], "is not GeoJSON"),
        (7, "is not GeoJSON"),
    ],
)
def test_what_is_no_area(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Area.read(geojson(tmp_path, content))


@pytest.mark.parametrize(
    "text,message",
    [
        ("POINT(1 2)", "a POINT is no area"),
        ("POLYGON EMPTY", "not a WKT polygon"),
        ("POLYGON((0 0, 1 0, 1 1, 0 0)", "not a WKT polygon"),
        ("POLYGON((0 0, 1 0, 0 0))", "at least four points"),
        ("POLYGON((0 0, a 0, 1 1, 0 0))", "no list of points"),
        ("POLYGON((0, 1, 2, 0))", "no list of points"),
        ("nowhere.geojson", "no such file, and no WKT"),
    ],
)
def test_what_is_no_polygon(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Area.read(text)


def test_files_that_are_neither(tmp_path: Path) -> None:
    for content, message in ((b"\xff\xfe\x00", "cannot be read"), (b"x", "neither GeoJSON nor")):
        (tmp_path / "a.json").write_bytes(content)
        with pytest.raises(ConfigError, match=message):
            Area.read(tmp_path / "a.json")
