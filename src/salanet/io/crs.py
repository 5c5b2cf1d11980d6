"""The coordinate reference system of a file: its name, its EPSG code, its units of length."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import Any

WKT, KEYS, TEXTS = (b"LASF_Projection", 2112), (b"LASF_Projection", 34735), 34737
CITATIONS, PROJECTED, GEOGRAPHIC, LINEAR = (3073, 1026, 2049), 3072, 2048, 3076
VERTICAL_LINEAR = 4099
UNITS = {9001: "metre", 9002: "foot", 9003: "US survey foot"}
METRES = {"metre": 1.0, "foot": 0.3048, "US survey foot": 1200 / 3937}
# How EPSG names the systems it defines in feet.
NAMED = (("ftUS)", "US survey foot"), ("(ft)", "foot"))
UNKNOWN = (0, 32767)  # GeoTIFF: undefined, user-defined


@dataclass(frozen=True)
class Crs:
    """What a file says of its reference system.

    Attributes:
        name, epsg: what it is called.
        unit: of x and y. The metre, foot, US survey foot and degree always have these names.
        vertical: the unit of z where it is given on its own.
    """

    name: str
    epsg: int | None = None
    unit: str | None = None
    vertical: str | None = None


def from_wkt(text: str) -> Crs | None:
    """Read well-known text, version 1 or 2; None if it is none."""
    text = text.strip("\0 \r\n\t")
    name = re.match(r'\w+\s*\[\s*"([^"]*)"', text)
    if name is None:
        return None
    horizontal, *vertical = re.split(r"VERT_CS|VERTCRS|VERTICALCRS", text)
    codes = re.findall(r'(?:AUTHORITY|ID)\s*\[\s*"EPSG"\s*,\s*"?(\d+)', horizontal)
    return Crs(
        name[1],
        int(codes[-1]) if codes else None,
        _last_unit(horizontal) or _named_unit(name[1]),
        _last_unit(vertical[-1]) if vertical else None,
    )


def _last_unit(text: str) -> str | None:
    """The unit that holds for the whole: inner ones, of angles, stand before it."""
    units = re.findall(r'UNIT\s*\[\s*"([^"]*)"\s*,\s*([\d.eE+-]+)', text)
    return _unit(*units[-1]) if units else None


def _named_unit(name: str) -> str | None:
    return next((unit for mark, unit in NAMED if mark in name), None)


def _unit(name: str, factor: str) -> str:
    if name.lower().startswith("degree"):
        return "degree"
    try:
        size = float(factor)
    except ValueError:
        return name
    return next((unit for unit, f in METRES.items() if abs(size - f) < 1e-7), name)


def from_geotiff(keys: bytes, texts: bytes) -> Crs | None:
    """Read the keys of GeoTIFF 1.0 as LAS stores them; None if they name no system."""
    found: dict[int, int] = {}
    name = ""
    for key, place, count, value in struct.iter_unpack("<4H", keys[8 : len(keys) // 8 * 8]):
        if place == 0:
            found[key] = value
        elif place == TEXTS and key in CITATIONS and not name:
            name = texts[value : value + count].decode("latin-1").strip("|\0 ")
    epsg = next((found[k] for k in (PROJECTED, GEOGRAPHIC) if found.get(k, 0) not in UNKNOWN), None)
    if epsg is None and not name:
        return None
    unit = UNITS.get(found.get(LINEAR, 0)) or _named_unit(name)
    if unit is None and PROJECTED not in found and GEOGRAPHIC in found:
        unit = "degree"
    return Crs(name or f"EPSG:{epsg}", epsg, unit, UNITS.get(found.get(VERTICAL_LINEAR, 0)))


def of_records(records: dict[tuple[bytes, int], bytes]) -> Crs | None:
    """The reference system among a LAS file's records, by user and number."""
    crs = from_wkt(records[WKT].decode("utf-8", "replace")) if WKT in records else None
    if crs is None and KEYS in records:
        crs = from_geotiff(records[KEYS], records.get((KEYS[0], TEXTS), b""))
    return crs


def of_source(source: Any) -> Crs | None:
    """The reference system of a cloud by its `source`; None if its format or file has none."""
    if hasattr(source, "file"):  # LAS
        return of_records(source.file.records())
    return from_wkt(getattr(source, "crs", ""))
