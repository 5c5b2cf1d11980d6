"""Units of reference systems: horizontal and vertical apart, in every form there is."""

from __future__ import annotations

import struct
import sys
from typing import Any

import pytest

from salanet.io import crs
from salanet.io.crs import Crs, from_epsg, from_geotiff, from_text, from_wkt

US_FOOT = 1200 / 3937
DEGREE = 'UNIT["degree",0.0174532925199433]'
GEOGCS = f'GEOGCS["GCS",DATUM["D",SPHEROID["S",6378137,298.25]],PRIMEM["Greenwich",0],{DEGREE}]'
ESRI_METRES = f'PROJCS["NM_Central",{GEOGCS},PROJECTION["Lambert"],UNIT["Meter",1.0]]'
ESRI_FEET = f'PROJCS["NM_Central",{GEOGCS},UNIT["Foot_US",0.3048006096012192]]'
HEIGHTS = 'VERTCS["NAVD_1988",VDATUM["NAVD"],PARAMETER["Vertical_Shift",0.0],UNIT["{}",{}]]'
METRE_HEIGHTS = HEIGHTS.format("Meter", 1.0)
FOOT_HEIGHTS = HEIGHTS.format("Foot_US", 0.3048006096012192)
COMPOUND = (
    'COMPOUNDCRS["both",PROJCRS["plane",BASEGEOGCRS["base",DATUM["d",ELLIPSOID["e",6378137,298.25,'
    'LENGTHUNIT["metre",1]]],PRIMEM["Greenwich",0,ANGLEUNIT["degree",0.0174532925199433]]],'
    'CONVERSION["c",METHOD["Transverse Mercator"],PARAMETER["False easting",0,'
    'LENGTHUNIT["metre",1]]],CS[Cartesian,2],AXIS["(E)",east,ORDER[1],LENGTHUNIT["foot",0.3048]],'
    'AXIS["(N)",north,ORDER[2],LENGTHUNIT["foot",0.3048]],ID["EPSG",2992]],'
    'BOUNDCRS[SOURCECRS[VERTCRS["up",VDATUM["v"],CS[vertical,1],AXIS["height (H)",up,'
    'LENGTHUNIT["US survey foot",0.304800609601219]]]],TARGETCRS[GEOGCRS["t",CS[ellipsoidal,3],'
    'AXIS["h",up,LENGTHUNIT["metre",1]]]]]]'
)
THIRD = (
    'GEOGCRS["WGS 84",CS[ellipsoidal,3],AXIS["(lat)",north,ANGLEUNIT["degree",0.0174532925]],'
    'AXIS["(lon)",east,ANGLEUNIT["degree",0.0174532925]],AXIS["(h)",up,LENGTHUNIT["metre",1]]]'
)
GEOCENTRIC = 'GEODCRS["WGS 84",CS[Cartesian,3],AXIS["(X)",geocentricX],LENGTHUNIT["metre",1]]'


@pytest.mark.parametrize(
    "text, unit, vertical",
    [
        (f"{ESRI_METRES},{FOOT_HEIGHTS}", "metre", "US survey foot"),
        (f"{ESRI_FEET},{METRE_HEIGHTS}", "US survey foot", "metre"),
        (f"{ESRI_FEET}{METRE_HEIGHTS}", "US survey foot", "metre"),
        (f"{GEOGCS},{METRE_HEIGHTS}", "degree", "metre"),
        (f'COMPD_CS["both",{GEOGCS},VERT_CS["h",UNIT["metre",1]]]', "degree", "metre"),
        (COMPOUND, "foot", "US survey foot"),
        (THIRD, "degree", "metre"),
        ('GEOGCS["NTF",UNIT["grad",0.0157079632679489]]', "grad", None),
        (f'PROJCS["cut short",{GEOGCS}', None, None),
        (f'PROJCS["NAD83 / Texas (ftUS)",{GEOGCS}]', "US survey foot", None),
        ('PROJCS["NAD_1983_StatePlane_Oregon_FIPS_3601_Feet_Intl"]', "foot", None),
        ('PROJCS["odd ""quotes"" [in] it",UNIT["Meter",1]]', "metre", None),
        ('PROJCS["no size",UNIT["feet"]]', "foot", None),
        ('PROJCS["no size",UNIT["metre",0]]', "metre", None),
        ('LOCAL_CS["site",UNIT["metre",1]]', "metre", None),
    ],
)
def test_horizontal_and_vertical_units_apart(
    text: str, unit: str | None, vertical: str | None
) -> None:
    found = from_wkt(text)
    assert found is not None and (found.unit, found.vertical) == (unit, vertical)
    assert found.angular == (unit in ("degree", "grad"))


def test_codes_are_those_of_the_plane() -> None:
    found = from_wkt(COMPOUND)
    assert found is not None and (found.name, found.epsg) == ("both", 2992)
    assert found.vertical_metres == pytest.approx(US_FOOT)
    plain = from_wkt(f'{ESRI_FEET},VERTCS["h",UNIT["Meter",1],AUTHORITY["EPSG","5703"]]')
    assert plain is not None and plain.epsg is None


def test_rare_units_have_their_size() -> None:
    found = from_wkt('PROJCS["Ghana",UNIT["Gold Coast foot",0.304799710181509]]')
    assert found is not None
    assert (found.unit, found.metres) == ("Gold Coast foot", 0.304799710181509)


def test_geocentric_systems_have_no_heights() -> None:
    for text in (GEOCENTRIC, 'GEOCCS["WGS 84",UNIT["metre",1]]'):
        found = from_wkt(text)
        assert found is not None and found.geocentric


def test_text_that_nobody_can_read_is_none() -> None:
    for text in ("", "PROJCS", "[[[[", "PROJCS[" * 5000, "]" * 99, '"PROJCS"', "TOWGS84[1]"):
        assert from_text(text) is None


def geotiff(keys: dict[int, int], numbers: tuple[float, ...] = ()) -> Crs | None:
    """`from_geotiff` of keys with their values; a key 3077 is the first of the numbers."""
    rows = [(k, 34736, 1, 0) if k == 3077 else (k, 0, 1, v) for k, v in keys.items()]
    packed = b"".join(struct.pack("<4H", *row) for row in [(1, 1, 0, len(rows)), *rows])
    return from_geotiff(packed, b"", struct.pack(f"<{len(numbers)}d", *numbers))


@pytest.mark.parametrize(
    "keys, unit, vertical",
    [
        ({3076: 9003}, "US survey foot", None),
        ({1024: 1, 3072: 32767, 3076: 9002}, "foot", None),
        ({1024: 1, 3072: 32767, 2052: 9003}, "US survey foot", None),
        ({1024: 1, 3072: 26910, 3076: 9001, 4099: 9003}, "metre", "US survey foot"),
        ({1024: 1, 3072: 2264, 3076: 9001}, "metre", None),  # what is said counts
        ({1024: 2, 2048: 4326}, "degree", None),
        ({1024: 2, 2048: 4326, 3076: 9001}, "degree", None),
        ({2048: 4326, 4096: 5103, 4099: 9001}, "degree", "metre"),
        ({1024: 1}, None, None),
    ],
)
def test_units_of_geotiff_keys(keys: dict[int, int], unit: Any, vertical: Any) -> None:
    found = geotiff(keys)
    assert (found and found.unit, found and found.vertical) == (unit, vertical)


def test_a_unit_of_the_user_has_the_size_it_is_given() -> None:
    found = geotiff({1024: 1, 3072: 32767, 3076: 32767, 3077: 0}, (0.9144,))
    assert found is not None and found.metres == 0.9144
    found = geotiff({1024: 1, 3072: 32767, 3076: 32767, 3077: 0}, (1200 / 3937,))
    assert found is not None and found.unit == "US survey foot"


def test_geocentric_keys() -> None:
    found = geotiff({1024: 3, 2048: 4978})
    assert found is not None and found.geocentric and not found.angular


def test_without_pyproj_the_unit_of_a_code_is_doubted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyproj", None)
    from_epsg.cache_clear()
    keys: dict[int, Any] = {1024: 1, 3072: 2264, 4096: 6360}
    found = geotiff(keys)
    assert found is not None and found.unit is found.vertical is None
    assert [doubt[12:21] for doubt in found.doubts] == ["EPSG:2264", "EPSG:6360"]
    assert found.foreign == "an unknown unit"
    text = from_text("EPSG:2264")
    assert text is not None and text.epsg == 2264 and "salanet[crs]" in text.doubts[0]
    from_epsg.cache_clear()


def test_with_pyproj_codes_have_units() -> None:
    pytest.importorskip("pyproj")
    from_epsg.cache_clear()
    for code, unit in {2264: "US survey foot", 2994: "foot", 26910: "metre"}.items():
        found = geotiff({1024: 1, 3072: code})
        assert found is not None and found.unit == unit and not found.doubts
    heights = geotiff({1024: 1, 3072: 26910, 4096: 6360})
    assert heights is not None and heights.vertical == "US survey foot"
    assert from_text("urn:ogc:def:crs:EPSG::2994") == crs.from_epsg(2994)


def test_every_form_of_some_systems_of_the_registry() -> None:
    """A few of those that benchmarks/reference_systems.py goes through."""
    pyproj = pytest.importorskip("pyproj")
    forms = ("WKT1_GDAL", "WKT1_ESRI", "WKT2_2015", "WKT2_2019", "WKT2_2019_SIMPLIFIED")
    expected = {
        "EPSG:2154": ("metre", None),
        "EPSG:2154+6360": ("metre", "US survey foot"),
        "EPSG:2264+5703": ("US survey foot", "metre"),
        "EPSG:2994+8228": ("foot", "foot"),
        "EPSG:4326+5773": ("degree", "metre"),
        "EPSG:4326": ("degree", None),
    }
    for name, units in expected.items():
        for form in forms:
            found = from_wkt(pyproj.CRS(name).to_wkt(form))
            assert found is not None and (found.unit, found.vertical) == units, (name, form)
