"""The coordinate reference system of a file: its name, its EPSG code, its units of length."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from salanet.io import wkt

WKT, KEYS = (b"LASF_Projection", 2112), (b"LASF_Projection", 34735)
NUMBERS, TEXTS = (b"LASF_Projection", 34736), (b"LASF_Projection", 34737)
OLD_WKT = (b"liblas", 2112)
# GeoTIFF 1.0, 2.7 and 6.3.
MODEL, PROJECTED_MODEL, GEOGRAPHIC_MODEL, GEOCENTRIC_MODEL = 1024, 1, 2, 3
CITATIONS, PROJECTED, GEOGRAPHIC, VERTICAL = (3073, 1026, 2049), 3072, 2048, 4096
# Keys of a unit of length, and of its size in metres where the unit is one of the user.
LINEAR, GEOGRAPHIC_LINEAR, VERTICAL_LINEAR = (3076, 3077), (2052, 2053), (4099, None)
UNITS = {
    9001: ("metre", 1.0),
    9002: ("foot", 0.3048),
    9003: ("US survey foot", 1200 / 3937),
    9005: ("Clarke's foot", 0.3047972654),
    9036: ("kilometre", 1000.0),
    9040: ("British yard (Sears 1922)", 0.914398414616029),
    9041: ("British foot (Sears 1922)", 0.304799471538676),
    9042: ("British chain (Sears 1922)", 20.1167651215526),
    9084: ("Indian yard", 0.914398530744441),
    9094: ("Gold Coast foot", 0.3047997101815088),
    9096: ("yard", 0.9144),
    9097: ("chain", 20.1168),
    9098: ("link", 0.201168),
}
METRES = {"metre": 1.0, "foot": 0.3048, "US survey foot": 1200 / 3937}
NEAR = 1e-7  # metres: another way to write the same unit
WORDS = {
    **dict.fromkeys(["m", "meter", "meters", "metres"], "metre"),
    **dict.fromkeys(["ft", "feet", "foot_intl"], "foot"),
    **dict.fromkeys(["us-ft", "foot_us", "us_foot", "us survey feet"], "US survey foot"),
}
# How EPSG and ESRI name the systems that they define in feet.
NAMED = (
    (r"\(ftUS\)|US feet|_Feet$|_Ft_?US$", "US survey foot"),
    (r"\(ft\)|_Feet_Intl$|_Ft$", "foot"),
)
UNKNOWN = (0, 32767)  # GeoTIFF: undefined, user-defined
CODE = re.compile(r"(?:urn:ogc:def:crs:)?EPSG:(?:[\d.]*:)?(\d{1,9})", re.IGNORECASE)
NOT_FOUND = "the unit of {} could not be looked up (pip install 'salanet[crs]' brings most)"
OLD_VERTICAL = range(5001, 5200)  # GeoTIFF's own codes of heights, which tell no unit


@dataclass(frozen=True)
class Crs:
    """What a file says of its reference system.

    Attributes:
        name, epsg: what it is called.
        unit: of x and y. The metre, foot, US survey foot and degree always have these names.
        vertical: the unit of z where it is given on its own.
        metres, vertical_metres: how long these are; None for angles, and where nobody says.
        doubts: what it says and could not be understood, or contradicts itself, one line each.
    """

    name: str
    epsg: int | None = None
    unit: str | None = None
    vertical: str | None = None
    metres: float | None = None
    vertical_metres: float | None = None
    geocentric: bool = False
    doubts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for unit, metres in (("unit", "metres"), ("vertical", "vertical_metres")):
            if getattr(self, metres) is None:
                object.__setattr__(self, metres, METRES.get(getattr(self, unit) or ""))

    @property
    def angular(self) -> bool:
        """x and y are angles."""
        return self.unit in wkt.ANGLES

    @property
    def units(self) -> str:
        """The units in words."""
        heights = "" if self.vertical in (None, self.unit) else f", heights in {self.vertical}"
        return f"{self.unit or 'an unknown unit'}{heights}"

    @property
    def foreign(self) -> str:
        """The units in words; empty if they are metres, as far as it says."""
        metres = {self.unit, self.vertical} <= {None, "metre"}
        return "" if metres and (self.unit or not self.doubts) else self.units


def from_wkt(text: str) -> Crs | None:
    """Read well-known text, of version 1, ESRI's kind or version 2; None if it is none."""
    nodes = wkt.parse(text)
    found = [*wkt.systems(nodes)]
    if not found:
        return None
    plane = next((node for node in found if node.key in wkt.HORIZONTAL), None)
    height = next((node for node in found if node.key in wkt.VERTICAL), None)
    epsg = next((node.epsg for node in (plane, nodes[0]) if node and node.epsg), None)
    unit = _called(plane.unit() if plane else None, plane.name if plane else "")
    third = plane.unit(2) if plane and plane.axes > 2 else None
    third = None if third is None or third.angle else third
    vertical = _called(height.unit() if height else third, height.name if height else "")
    doubts: list[str] = []
    if unit is None and plane and plane.epsg:
        unit, _, said = _by_code(plane.epsg)
        doubts += said
    if vertical is None and height and height.epsg:
        _, vertical, said = _by_code(height.epsg)
        doubts += said
    geocentric = plane is not None and plane.geocentric
    return _system(nodes[0].name, epsg, unit, vertical, geocentric, doubts)


def from_text(text: str) -> Crs | None:
    """Read well-known text, or an EPSG code such as "EPSG:2154"; None if it is neither."""
    text = text.strip("\0 \r\n\t")
    if code := CODE.fullmatch(text):
        epsg = int(code[1])
        return from_epsg(epsg) or Crs(text, epsg, doubts=(NOT_FOUND.format(text),))
    return from_wkt(text)


@lru_cache(maxsize=64)
def from_epsg(code: int) -> Crs | None:
    """The system of an EPSG code, which takes the package pyproj; None if that does not know."""
    try:
        from pyproj import CRS
        from pyproj.exceptions import CRSError
    except ImportError:
        return None
    try:
        return from_wkt(CRS.from_epsg(code).to_wkt())
    except CRSError:
        return None


def from_geotiff(keys: bytes, texts: bytes, numbers: bytes = b"") -> Crs | None:
    """Read the keys of GeoTIFF 1.0 as LAS stores them; None if they name no system and no unit.

    A key that names a unit counts more than the unit that an EPSG code has.
    """
    found: dict[int, float] = {}
    name = ""
    doubles = struct.unpack(f"<{len(numbers) // 8}d", numbers[: len(numbers) // 8 * 8])
    for key, place, count, value in struct.iter_unpack("<4H", keys[8 : len(keys) // 8 * 8]):
        if place == 0:
            found[key] = value
        elif place == NUMBERS[1] and value < len(doubles):
            found[key] = doubles[value]
        elif place == TEXTS[1] and key in CITATIONS and not name:
            name = texts[value : value + count].decode("latin-1").strip("|\0 ")
    codes = {k: int(v) for k, v in found.items() if v not in UNKNOWN}
    model = codes.get(MODEL)
    angular = model == GEOGRAPHIC_MODEL or (
        model is None and PROJECTED not in found and GEOGRAPHIC in found
    )
    epsg = codes.get(GEOGRAPHIC if angular else PROJECTED, codes.get(GEOGRAPHIC))
    unit, vertical = _keyed(found, LINEAR) or _called(None, name), _keyed(found, VERTICAL_LINEAR)
    doubts: list[str] = []
    if angular:
        unit = wkt.Unit("degree", None, True)
    elif unit is None and PROJECTED in codes:
        unit, third, doubts = _by_code(codes[PROJECTED])
        vertical = vertical or third
    unit = unit or _keyed(found, GEOGRAPHIC_LINEAR)
    if vertical is None and VERTICAL in codes and codes[VERTICAL] not in OLD_VERTICAL:
        _, vertical, said = _by_code(codes[VERTICAL])
        doubts += said
    if epsg is None and not name and unit is None and vertical is None:
        return None
    name = name or (f"EPSG:{epsg}" if epsg else "unnamed")
    return _system(name, epsg, unit, vertical, model == GEOCENTRIC_MODEL, doubts)


def of_records(records: dict[tuple[bytes, int], bytes]) -> Crs | None:
    """The reference system among a LAS file's records, by user and number."""
    for key in (WKT, OLD_WKT):
        crs = from_text(records[key].decode("utf-8", "replace")) if key in records else None
        if crs is not None:
            return crs
    if KEYS not in records:
        return None
    return from_geotiff(records[KEYS], records.get(TEXTS, b""), records.get(NUMBERS, b""))


def text_of_source(source: Any) -> str | None:
    """The reference system as other programs take it: well-known text, or "EPSG:2154"."""
    texts = [getattr(source, "system", "")]
    if hasattr(source, "file"):  # LAS
        records = source.file.records()
        texts = [records.get(key, b"").decode("utf-8", "replace") for key in (WKT, OLD_WKT)]
    for text in texts:
        if from_text(text) is not None:
            return str(text).strip("\0 \r\n\t")
    found: Crs | None = getattr(source, "crs", None)
    return f"EPSG:{found.epsg}" if found is not None and found.epsg else None


def _system(
    name: str,
    epsg: int | None,
    unit: wkt.Unit | None,
    vertical: wkt.Unit | None,
    geocentric: bool,
    doubts: list[str],
) -> Crs:
    unit, vertical = unit or wkt.Unit("", None), vertical or wkt.Unit("", None)
    return Crs(
        name,
        epsg,
        unit.name or None,
        vertical.name or None,
        unit.metres,
        vertical.metres,
        geocentric,
        tuple(doubts),
    )


def _called(unit: wkt.Unit | None, system: str) -> wkt.Unit | None:
    """The unit under the name that it always has here; else that which the system's name tells."""
    if unit is None:
        known = (u for mark, u in NAMED if re.search(mark, system, re.IGNORECASE))
        name = next(known, None)
    elif unit.angle:
        return unit
    elif unit.metres is None:
        name = WORDS.get(unit.name.lower(), unit.name)
    else:
        near = (n for n, size in METRES.items() if abs(size - (unit.metres or 0)) < NEAR)
        name = next(near, None)
        if name is None:
            return unit
    return None if name is None else wkt.Unit(name, METRES.get(name))


def _by_code(code: int) -> tuple[wkt.Unit | None, wkt.Unit | None, list[str]]:
    """The units of an EPSG system and of its heights, or what to say if it is not known."""
    system = from_epsg(code)
    if system is None:
        return None, None, [NOT_FOUND.format(f"EPSG:{code}")]
    unit = wkt.Unit(system.unit, system.metres, system.angular) if system.unit else None
    return unit, wkt.Unit(system.vertical, system.vertical_metres) if system.vertical else None, []


def _keyed(found: dict[int, float], keys: tuple[int, int | None]) -> wkt.Unit | None:
    """The unit that a GeoTIFF key names, or whose size another gives."""
    key, size = keys
    if found.get(key) in UNITS:
        return wkt.Unit(*UNITS[int(found[key])])
    metres = found.get(size) if size else None
    known = metres is not None and 0 < metres < float("inf")
    return _called(wkt.Unit(f"unit of {metres:.7g} m", metres), "") if known else None
