"""`salanet predict` and the classes that a file had: what it says, and the way back."""

from __future__ import annotations

import json
from pathlib import Path

import laspy
import numpy as np
import pytest

from salanet import write
from salanet.cli.main import main
from salanet.datasets.town import town


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    """A file with water, a bridge, and a code of somebody's own."""
    cloud = town(5, size=24, density=6)
    cloud.xyz += np.array([650_000.0, 6_860_000, 100]) - np.floor(cloud.xyz.min(axis=0))
    cloud.label = np.ones(len(cloud), np.int32)
    cloud.label[:30], cloud.label[30:50], cloud.label[50:60] = 9, 17, 64
    cloud.class_names = {}
    write(tmp_path / "a.laz", cloud)
    return tmp_path / "a.laz"


def classes(path: Path) -> np.ndarray:
    return np.array(laspy.read(path).classification)


def test_what_was_kept_is_said(scan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = scan.with_name("o.laz")
    command = ["predict", str(scan), "-m", "aerial", "--units", "m", "-o", str(out)]
    assert main(command) == 0
    said = capsys.readouterr().out.splitlines()
    kept = "note: 60 points keep their class: 9 water (30), 17 bridge (20), 64 (10)"
    assert f"{kept} (--keep none: label them too)" in said
    (head,) = (i for i, line in enumerate(said) if line.startswith("was "))
    assert said[head].split()[:3] == ["was", "kept", "->"]
    table = [line.split() for line in said[head + 1 : head + 5]]
    assert [row[:3] for row in table[1:3]] == [["9", "water", "30"], ["17", "bridge", "20"]]
    assert table[3][:2] == ["64", "10"] and {*table[3][2:]} == {"-"}
    before, after = classes(scan), classes(out)
    counts = [int(n.replace(",", "")) for n in table[0][2:] if n != "-"]
    found = np.unique(after[before == 1], return_counts=True)[1].tolist()
    assert table[0][:2] == ["1", "unclassified"] and counts == found
    assert main([*command, "--json", "--keep", "none", "--min-confidence", "0.8"]) == 0
    (report,) = json.loads(capsys.readouterr().out)
    assert report["kept"] == {} and {*report["changes"]} == {"1", "9", "17", "64"}
    assert sum(report["changes"]["9"].values()) == 30
    assert 0 < report["unsure"] == report["points"] - sum(report["classes"].values())


def test_never_classified_shows_no_table(scan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    las = laspy.read(scan)
    las.classification[:] = 0
    las.write(scan)
    assert main(["predict", str(scan), "-m", "aerial", "--units", "m"]) == 0
    said = capsys.readouterr().out
    assert "was" not in said.split() and "keep" not in said


def test_every_option(scan: Path, tmp_path: Path) -> None:
    area = tmp_path / "area.geojson"
    west = [[0, 0], [650_010.0005, 0], [650_010.0005, 9e6], [0, 9e6], [0, 0]]
    area.write_text(json.dumps({"type": "Polygon", "coordinates": [west]}))
    before, out = classes(scan), tmp_path / "o.laz"
    command = ["predict", str(scan), "-m", "aerial", "--units", "m", "-o", str(out)]
    assert main([*command, "--only", "9,bridge", "--keep", "17", "--within", str(area)]) == 0
    east = laspy.read(scan).x > 650_010
    changed = classes(out) != before
    assert (changed <= ((before == 9) & ~east)).all() and changed.any()
    assert main([*command, "--into", "model", "--keep", "all"]) == 0
    found = laspy.read(out)
    assert (classes(out) == before).all()
    assert (np.array(found["model"])[before > 1] == before[before > 1]).all()
    assert (np.array(found["model"])[before == 1] != 1).any()


def test_in_place_and_back(scan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    former, backup = scan.read_bytes(), scan.with_name("a.laz.backup")
    command = ["predict", str(scan), "-m", "aerial", "--units", "m", "--in-place"]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert f"note: the former file is kept as {backup} (--restore brings it back)" in said
    assert said.startswith(f"{scan}\n") and backup.read_bytes() == former != scan.read_bytes()
    assert main(command) == 2
    said = capsys.readouterr().err
    assert "was labelled in place before" in said and said.count("\n") == 1
    assert main([*command, "--resume"]) == 0
    assert f"{scan}: there already" in capsys.readouterr().err
    assert main(["predict", str(scan), "--restore"]) == 0
    assert capsys.readouterr().out == f"{scan}: as it was before\n"
    assert scan.read_bytes() == former and not backup.exists()
    assert main(command) == 0 and capsys.readouterr()
    assert main(["predict", str(scan), "--restore", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [{"restored": str(scan)}]
    assert scan.read_bytes() == former and not backup.exists()
    assert main(["predict", str(scan), "--restore"]) == 2
    assert "has no backup" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options,message",
    [
        (["--keep", "none,7"], "'none,7': none and all stand alone"),
        (["--keep", "watr"], "no class is called 'watr'"),
        (["--only", "9-7"], "'9-7' is no range of codes"),
        (["--min-confidence", "60"], "a confidence is from 0 to 1, not 60"),
        (["--into", "a b"], "'a b' cannot be the name of an attribute"),
        (["--into", "intensity"], "has 'intensity' already"),
        (["--within", "POINT(1 2)"], "a POINT is no area"),
        (["--within", "none.geojson"], "no such file, and no WKT"),
        (["--restore", "--in-place"], "brings files back and labels none"),
        (["--in-place", "-o", "b.laz"], "results in place have the names of their files"),
    ],
)
def test_one_line_says_what_is_wrong(
    scan: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    assert main(["predict", str(scan), "-m", "aerial", "--units", "m", *options]) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1
    assert [path.name for path in scan.parent.iterdir()] == ["a.laz"]


def test_an_area_in_another_system(scan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    las = laspy.read(scan)
    wkt = 'PROJCS["RGF93 / Lambert-93",UNIT["metre",1],AUTHORITY["EPSG","2154"]]'
    las.header.vlrs.append(laspy.vlrs.known.WktCoordinateSystemVlr(wkt))
    las.write(scan)
    corners = "(0 0, 650010 0, 650010 9000000, 0 9000000, 0 0)"
    command = ["predict", str(scan), "-m", "aerial", "--within"]
    for memory in ([], ["--memory", "100MB"]):
        assert main([*command, f"SRID=2056;POLYGON({corners})", *memory]) == 2
        said = capsys.readouterr().err
        assert "is in EPSG:2056, but" in said and "is in EPSG:2154" in said
        assert said.count("\n") == 1
    assert main([*command, f"SRID=2154;POLYGON({corners})"]) == 0
