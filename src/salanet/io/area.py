"""Polygons on the ground, from GeoJSON or well-known text (WKT)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salanet.errors import ConfigError
from salanet.io import crs
from salanet.io.crs import Crs

LARGEST_FILE = 64 << 20
LONGEST_PATH, LONGEST_NAME = 4096, 60
RING = r"\([^()]*\)"
POLYGON = rf"\(\s*{RING}(?:\s*,\s*{RING})*\s*\)"
POLYGONS = rf"\(\s*{POLYGON}(?:\s*,\s*{POLYGON})*\s*\)"
WKT = re.compile(r"(?:SRID=(\d{1,9});)?\s*([A-Z]+)\s*(?:ZM|Z|M)?\s*(\(.*\)|EMPTY);?", re.I | re.S)
EXAMPLE = "'POLYGON((0 0, 9 0, 9 9, 0 0))'"
DEGREES = 4326
CRS84 = re.compile(r"urn:ogc:def:crs:OGC:[\d.]*:CRS84|OGC:CRS84", re.IGNORECASE)

Ring = NDArray[np.float64]


class Area:
    """Polygons with holes, in the coordinates of a reference system.

    Args:
        polygons: the rings of each, float64 (n, 2), the last point as the first; what an even
            number of them encloses is a hole.
        epsg: code of the reference system; None if nobody says.
        name: what errors call it.
    """

    def __init__(self, polygons: Sequence[Sequence[Any]], epsg: int | None = None, name: str = ""):
        self.epsg, self.name = epsg, name or "the area"
        try:
            self.polygons = [[self._ring(ring) for ring in rings] for rings in polygons]
        except (TypeError, ValueError, IndexError, KeyError) as error:
            raise ConfigError(f"{self.name}: a ring that is no list of points") from error
        if not any(self.polygons):
            raise ConfigError(f"{self.name}: has no polygon")
        corners = np.concatenate([ring for rings in self.polygons for ring in rings])
        self.low, self.high = corners.min(axis=0), corners.max(axis=0)

    @classmethod
    def read(cls, given: str | Path) -> Area:
        """From a file of GeoJSON or WKT, or from WKT itself.

        GeoJSON without a "crs" is in degrees by its standard; where its numbers are none, in an
        unknown system. "SRID=2154;POLYGON…" says which system WKT is in.

        Raises ConfigError: no such file, neither format, or no polygon.
        """
        text, path = str(given).strip(), Path(given)
        try:
            is_file = len(text) <= LONGEST_PATH and path.is_file()
            if is_file and path.stat().st_size > LARGEST_FILE:
                raise ConfigError(f"{path}: too large for an area")
            content = path.read_text("utf-8-sig").strip() if is_file else text
        except (OSError, ValueError) as error:  # that is, not UTF-8
            raise ConfigError(f"{text[:LONGEST_NAME]}: cannot be read as an area") from error
        name = str(path) if is_file else f"'{text[:LONGEST_NAME]}'"
        if match := WKT.fullmatch(content):
            return _from_wkt(match, name)
        if not is_file:
            raise ConfigError(f"{name}: no such file, and no WKT such as {EXAMPLE}")
        try:
            found = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"{name}: neither GeoJSON nor WKT") from error
        return _from_geojson(found, name)

    def contains(self, xy: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which points (N, 2) lie in one of the polygons; NaN lies nowhere."""
        with np.errstate(invalid="ignore"):
            near = ((xy >= self.low) & (xy <= self.high)).all(axis=1)
        found = np.zeros(len(xy), bool)
        rows = np.flatnonzero(near)
        rows = rows[np.argsort(xy[rows, 1], kind="stable")]
        x, y = xy[rows].T
        for rings in self.polygons:
            inside = np.zeros(len(rows), bool)
            for ring in rings:
                _cross(inside, x, y, ring)
            found[rows] |= inside
        return found

    def require_system(self, system: Crs | None, where: str) -> None:
        """Raise ConfigError if the area is in another reference system than a file.

        What neither of the two says is not known to differ.
        """
        if system is None:
            return
        differ = self.epsg is not None and system.epsg is not None and self.epsg != system.epsg
        angular = self.epsg == DEGREES and not system.angular and system.unit is not None
        if differ or angular:
            mine = "degrees (EPSG:4326)" if self.epsg == DEGREES else f"EPSG:{self.epsg}"
            its = f"EPSG:{system.epsg}" if system.epsg else system.name
            raise ConfigError(
                f"{self.name}: is in {mine}, but {where} is in {its}: transform the area to the "
                "system of the file"
            )

    def _ring(self, given: Any) -> Ring:
        ring = np.array([(float(p[0]), float(p[1])) for p in given], np.float64)
        if len(ring) < 4 or not np.isfinite(ring).all() or (ring[0] != ring[-1]).any():
            raise ConfigError(
                f"{self.name}: a ring has at least four points, finite, and ends where it begins"
            )
        return ring

    def __repr__(self) -> str:
        """Short, and another one for any other area."""
        digest = blake2b(digest_size=12)
        for rings in self.polygons:
            for ring in rings:
                digest.update(len(ring).to_bytes(8, "little") + ring.tobytes())
            digest.update(b"polygon")
        return f"Area({len(self.polygons)} polygons, EPSG:{self.epsg}, {digest.hexdigest()})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Area) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))


def _cross(inside: NDArray[np.bool_], x: Ring, y: Ring, ring: Ring) -> None:
    """Turn over which points, by rising y, have an odd number of edges to their right."""
    begins, ends = ring[:-1], ring[1:]
    low = np.searchsorted(y, np.minimum(begins[:, 1], ends[:, 1]))
    high = np.searchsorted(y, np.maximum(begins[:, 1], ends[:, 1]))
    for (ax, ay), (bx, by), i, j in zip(begins, ends, low, high, strict=True):
        if i < j:
            inside[i:j] ^= x[i:j] < (bx - ax) * (y[i:j] - ay) / (by - ay) + ax


def _from_geojson(found: Any, name: str) -> Area:
    polygons = list(chain.from_iterable(_shapes(found, name)))
    area = Area(polygons, _system(found, name), name)
    bounds = np.abs([area.low, area.high]).max(axis=0)
    if area.epsg is None and (bounds <= (180, 90)).all():
        area.epsg = DEGREES  # by RFC 7946
    return area


def _shapes(found: Any, name: str) -> Iterator[list[Any]]:
    kind = found.get("type") if isinstance(found, dict) else None
    match kind:
        case "FeatureCollection" | "GeometryCollection":
            parts = found.get("features", found.get("geometries"))
            for part in parts if isinstance(parts, list) else ():
                yield from _shapes(part, name)
        case "Feature":
            yield from _shapes(found.get("geometry"), name)
        case "Polygon":
            yield [found.get("coordinates") or ()]
        case "MultiPolygon":
            shapes = found.get("coordinates")
            yield shapes if isinstance(shapes, list) else []
        case str():
            raise ConfigError(f"{name}: a {kind[:LONGEST_NAME]} is no area: polygons are")
        case _:
            raise ConfigError(f"{name}: is not GeoJSON")


def _system(found: dict[str, Any], name: str) -> int | None:
    """The code that the member "crs" of former GeoJSON gives."""
    given = found.get("crs")
    if given is None:
        return None
    try:
        text = str(given["properties"]["name"])
    except (TypeError, KeyError) as error:
        raise ConfigError(f"{name}: its crs has no name") from error
    if CRS84.fullmatch(text):
        return DEGREES
    if match := crs.CODE.fullmatch(text):
        return int(match[1])
    raise ConfigError(f"{name}: the reference system '{text[:LONGEST_NAME]}' is no EPSG code")


def _from_wkt(match: re.Match[str], name: str) -> Area:
    kind, body = match[2].upper(), match[3]
    if kind not in ("POLYGON", "MULTIPOLYGON"):
        raise ConfigError(f"{name}: a {kind[:LONGEST_NAME]} is no area: polygons are")
    if not re.fullmatch(POLYGON if kind == "POLYGON" else POLYGONS, body):
        raise ConfigError(f"{name}: not a WKT polygon such as {EXAMPLE}")
    rings = [re.findall(RING, polygon) for polygon in re.findall(POLYGON, body)]
    points = [[[p.split() for p in r.strip("()").split(",")] for r in some] for some in rings]
    return Area(points, int(match[1]) if match[1] else None, name)
