"""Units of reference systems as `salanet.io.crs` reads them, against PROJ's own reading.

Every system of the EPSG registry that pyproj has (or some of them), written as well-known text in
each form there is, must give the horizontal and the vertical unit that PROJ reads from that text;
the code of a projected one in a GeoTIFF key must give those of the system.

    python benchmarks/reference_systems.py [SYSTEMS]

Prints systems, differences and texts that PROJ cannot write, for each form. Needs the extra `crs`.
"""

from __future__ import annotations

import random
import struct
import sys
import warnings
from collections import Counter
from collections.abc import Iterator

from pyproj import CRS
from pyproj.database import query_crs_info
from pyproj.enums import WktVersion
from pyproj.exceptions import CRSError

from salanet.io.crs import Crs, from_geotiff, from_wkt

FORMS = {
    "WKT 1, OGC": WktVersion.WKT1_GDAL,
    "WKT 1, ESRI": WktVersion.WKT1_ESRI,
    "WKT 2:2015": WktVersion.WKT2_2015,
    "WKT 2:2015, simplified": WktVersion.WKT2_2015_SIMPLIFIED,
    "WKT 2:2019": WktVersion.WKT2_2019,
    "WKT 2:2019, simplified": WktVersion.WKT2_2019_SIMPLIFIED,
}
ANGLES = ("degree", "grad", "radian")
CLOSE = 1e-7  # metres


def expected(system: CRS) -> tuple[float | str | None, float | None]:
    """Metres of the horizontal unit, "angle" for angles, None without; metres of the heights'."""
    axes = system.axis_info
    upright = [axis for axis in axes if axis.direction in ("up", "down")]
    flat = [axis for axis in axes if axis not in upright]
    across: float | str | None = None
    if flat:
        angular = flat[0].unit_name.lower().startswith(ANGLES)
        across = "angle" if angular else flat[0].unit_conversion_factor
    return across, upright[0].unit_conversion_factor if upright else None


def agrees(found: Crs | None, right: tuple[float | str | None, float | None]) -> bool:
    if found is None:
        return False
    across, up = right
    if across == "angle":
        # ESRI's geographic systems with heights are a name that tells PROJ, and state no unit.
        silent = found.vertical is None and found.name.endswith("3D")
        return found.angular and (silent or _close(found.vertical_metres, up))
    same = _close(found.metres, across) and not found.angular
    return same and (_close(found.vertical_metres, up) or found.geocentric)


def _close(a: float | None, b: float | str | None) -> bool:
    if a is None or not isinstance(b, float):
        return a is None and b is None
    return abs(a - b) < CLOSE


def systems(count: int | None) -> Iterator[CRS]:
    codes = sorted(int(i.code) for i in query_crs_info("EPSG", allow_deprecated=True))
    chosen = codes if count is None else random.Random(0).sample(codes, count)
    for code in chosen:
        yield CRS.from_epsg(code)


def in_form(system: CRS, form: WktVersion) -> str | None:
    try:
        return system.to_wkt(form) or None
    except CRSError:
        return None


def main(argv: list[str]) -> int:
    warnings.simplefilter("ignore")
    total, wrong, unwritten = Counter[str](), Counter[str](), Counter[str]()
    for system in systems(int(argv[0]) if argv else None):
        code = system.to_epsg(20)
        for name, form in FORMS.items():
            text = in_form(system, form)
            unwritten[name] += text is None
            total[name] += text is not None
            if text is not None and not agrees(from_wkt(text), expected(CRS.from_wkt(text))):
                wrong[name] += 1
                print(f"{name}, {system.srs} {system.name}: {from_wkt(text)}")
        if system.is_projected and code is not None and code < 32767 and not system.is_compound:
            keys = struct.pack("<12H", 1, 1, 0, 2, 1024, 0, 1, 1, 3072, 0, 1, code)
            total["GeoTIFF code"] += 1
            if not agrees(from_geotiff(keys, b""), expected(system)):
                wrong["GeoTIFF code"] += 1
                print(f"GeoTIFF, EPSG:{code}: {from_geotiff(keys, b'')}")
    for name, count in total.items():
        print(f"{name}: {count} systems, {wrong[name]} differ, {unwritten[name]} cannot be written")
    return int(sum(wrong.values()) > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
