"""S3DIS from its raw text files, and from Pointcept's arrays, through the command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from miniatures import ROOM, S3DIS_ROOMS, write_s3dis

from salanet.cli.main import main
from salanet.datasets import s3dis
from salanet.datasets.indoor import PALETTE
from salanet.errors import DataError, FileError
from salanet.sampling import features
from salanet.scenes import Scene, find_scenes, open_scenes

POINTS = 250


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_s3dis(tmp_path_factory.mktemp("s3dis"), points=POINTS)


@pytest.fixture(scope="module")
def prepared(raw: Path) -> Path:
    assert main(["prepare", "s3dis", str(raw), str(raw.parent / "scenes"), "--workers", "1"]) == 0
    return raw.parent / "scenes"


@pytest.fixture
def copy(raw: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(raw, tmp_path / raw.name))


def run(capsys: pytest.CaptureFixture, *arguments: object) -> dict[str, Any]:
    assert main(["prepare", "s3dis", *map(str, arguments), "--json", "--workers", "1"]) == 0
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    return report


def error(capsys: pytest.CaptureFixture, *arguments: object) -> str:
    assert main(["prepare", "s3dis", *map(str, arguments), "--workers", "1"]) == 2
    return str(capsys.readouterr().err.strip().splitlines()[-1])


def test_one_scene_per_room_in_the_folder_of_its_area(prepared: Path) -> None:
    names = [f"{f.parent.name}/{f.name}" for f in find_scenes(prepared)]
    assert names == [f"{area}/{room}" for area, room in S3DIS_ROOMS]
    assert [s.name for s in open_scenes(prepared, "Area_5")] == ["hallway_6", "office_19"]
    assert len(open_scenes(prepared, ["Area_1", "Area_5"])) == 4


def test_a_room_holds_every_point_in_the_order_of_its_files(raw: Path, prepared: Path) -> None:
    scene = Scene.open(prepared / "Area_1" / "office_1")
    folder = raw / "Area_1" / "office_1" / "Annotations"
    paths = sorted(folder.glob("[a-z]*.txt"))
    table = np.concatenate([np.loadtxt(path) for path in paths])
    named = np.repeat([path.stem.split("_")[0] for path in paths], POINTS)
    classes = np.array([s3dis.CLASS_OF[name] for name in named])
    assert len(table) == len(ROOM) * POINTS == scene.meta["figures"]["points"]
    np.testing.assert_array_equal(scene.raw["segment"], classes)
    assert scene.classes == list(PALETTE) and scene.classes[7:9] == ["table", "chair"]
    assert scene.classes[scene.raw["segment"][named == "stairs"][0]] == "clutter"

    to_cell = scene.raw["to_cell"]
    cells = np.floor((table[:, :3] - scene.offset) / 0.04)
    for cell in (0, 7, len(scene) - 1):
        inside = to_cell == cell
        assert (cells[inside] == cells[inside][0]).all()
        mean = table[inside, :3].mean(axis=0) - scene.offset
        np.testing.assert_allclose(scene.coord[cell], mean, atol=1e-5)
        np.testing.assert_allclose(scene.color[cell], table[inside, 3:].mean(axis=0), atol=0.51)
        assert scene.segment[cell] == np.bincount(classes[inside]).argmax()
    distance = np.linalg.norm(
        (table[:50, :3] - scene.offset)[:, None] - np.asarray(scene.coord, float)[None], axis=2
    )
    chosen = scene.raw["to_nearest"][:50]
    np.testing.assert_allclose(distance[np.arange(50), chosen], distance.min(axis=1), atol=1e-5)


def test_metadata_names_area_source_and_licence(prepared: Path) -> None:
    meta = Scene.open(prepared / "Area_5" / "office_19").meta
    assert (meta["area"], meta["room"], meta["grid"]) == (5, "office_19", 0.04)
    assert meta["settings"] == {"dataset": "S3DIS v1.2", "grid": 0.04, "aligned": False}
    assert "non-commercial" in meta["provenance"]["licence"]
    names = [source["name"] for source in meta["provenance"]["sources"]]
    assert len(names) == len(ROOM) and "._floor_1.txt" not in names


def test_z_is_the_height_in_the_source(prepared: Path) -> None:
    scene = Scene.open(prepared / "Area_2" / "storage_1")
    arrays = features.gather(scene)
    values = features.compute(["one", "rgb", "z"], **arrays)
    assert values.shape == (len(scene), 5)
    floor = values[np.asarray(scene.segment) == s3dis.CLASS_OF["floor"], 4]
    np.testing.assert_allclose(floor, -0.05, atol=2e-3)
    assert abs(arrays["height"].min()) < 0.02


def test_defects_are_repaired_and_reported(
    raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    report = run(capsys, raw, tmp_path / "scenes")
    assert report["remarks"] == [
        "Area_5/hallway_6/ceiling_1.txt, line 2: stray byte 0x10 replaced by a blank",
        "Area_5/office_19/ceiling_1.txt, line 4: stray byte 0x00 deleted",
    ]
    clean = write_s3dis(tmp_path, points=POINTS)
    for name, blank in (("hallway_6", b" "), ("office_19", b"")):
        path = clean / "Area_5" / name / "Annotations" / "ceiling_1.txt"
        data = path.read_bytes()
        defect = b"\x10" if blank else b"\x00"
        assert data.count(defect) == 1
        path.write_bytes(data.replace(defect, blank))
    repaired = run(capsys, clean, tmp_path / "again")
    assert repaired["remarks"] == []
    for room in ("hallway_6", "office_19"):
        one, two = (Scene.open(tmp_path / t / "Area_5" / room) for t in ("scenes", "again"))
        np.testing.assert_array_equal(one.coord, two.coord)
        np.testing.assert_array_equal(one.color, two.color)


def test_counts_are_compared_with_the_published(
    raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert sum(sum(kinds.values()) for kinds in s3dis.ROOMS.values()) == 272
    report = run(capsys, raw, tmp_path / "scenes")
    checks = {check["what"]: check for check in report["checks"]}
    assert (checks["rooms of Area_5"]["expected"], checks["rooms of Area_5"]["found"]) == (68, 2)
    assert "Area_5/office_42" in checks["rooms of Area_5"]["missing"]
    assert "Area_5/office_19" not in checks["rooms of Area_5"]["missing"]
    assert checks["classes"]["missing"] == [
        "beam", "column", "window", "door", "sofa", "bookcase", "board"
    ]  # fmt: skip
    assert not checks["classes"]["passed"]


def test_counts_pass_where_everything_is_there() -> None:
    counts = dict.fromkeys(PALETTE, 1)
    scenes = {
        f"Area_{area}/{kind}_{i}": {"counts": counts, "points": 273_400_000 // 272}
        for area, kinds in s3dis.ROOMS.items()
        for kind, number in kinds.items()
        for i in range(1, number + 1)
    }
    assert all(check.passed for check in s3dis.check(scenes))
    assert str(s3dis.check(scenes)[-1]) == "million points: 273 of 273"


def test_origin_and_licence_are_printed(
    raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert main(["prepare", "s3dis", str(raw), str(tmp_path / "s"), "--workers", "1"]) == 0
    captured = capsys.readouterr()
    assert "buildingparser.stanford.edu" in captured.err and "licence: " in captured.err
    assert "not as published: rooms of Area_1: 2 of 44; missing Area_1/WC_1" in captured.err
    assert "8 folders in" in captured.out


def test_the_folder_around_the_download_will_do(
    raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    report = run(capsys, raw.parent, tmp_path / "scenes")
    assert len(report["scenes"]) == len(S3DIS_ROOMS)


def test_the_aligned_version_is_refused_unless_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    aligned = write_s3dis(tmp_path, points=20, aligned=True)
    assert "aligned version (by its name)" in error(capsys, aligned, tmp_path / "s")
    renamed = aligned.rename(tmp_path / "S3DIS")
    message = error(capsys, renamed, tmp_path / "s")
    assert "there is no Area_1_alignmentAngle.txt" in message and "--aligned" in message
    assert not (tmp_path / "s").exists()
    report = run(capsys, renamed, tmp_path / "s", "--aligned")
    assert report["settings"]["aligned"] is True


def test_aligned_is_refused_for_the_raw_version(
    raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert "this is the raw version" in error(capsys, raw, tmp_path / "s", "--aligned")


def test_pointcept_rooms(prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    scene = Scene.open(prepared / "Area_3" / "lounge_1")
    folder = tmp_path / "pointcept" / "Area_3" / "lounge_1"
    folder.mkdir(parents=True)
    np.save(folder / "coord.npy", scene.coord + scene.offset.astype(np.float32))
    np.save(folder / "color.npy", scene.color)
    np.save(folder / "segment.npy", np.asarray(scene.segment).reshape(-1, 1))
    report = run(capsys, tmp_path / "pointcept", tmp_path / "scenes")
    assert report["scenes"][0]["points"] == len(scene)
    again = Scene.open(tmp_path / "scenes" / "Area_3" / "lounge_1")
    np.testing.assert_array_equal(again.raw["segment"], scene.segment)
    assert again.classes == scene.classes and again.meta["area"] == 3
    assert "prepared by salanet" in error(capsys, prepared, tmp_path / "other")


def spoil(copy: Path, what: str) -> None:
    folder = copy / "Area_1" / "office_1" / "Annotations"
    path = folder / "chair_1.txt"
    lines = path.read_text().splitlines()
    if what == "class":
        path.rename(folder / "fridge_1.txt")
    elif what == "empty room":
        shutil.rmtree(folder)
    elif what == "number":
        path.write_text("\n".join([*lines[:2], "1.0 2.0 oops 3 4 5", *lines[3:]]))
    elif what == "columns":
        path.write_text("\n".join([*lines[:2], lines[2] + " 7", *lines[3:]]))
    elif what == "seven":
        path.write_text("\n".join(line + " 7" for line in lines))
    elif what == "colour":
        path.write_text("\n".join([*lines[:2], "1 2 3 4 5 256", *lines[3:]]))


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("class", "fridge_1.txt: is of none of the classes ceiling, floor"),
        ("empty room", "office_1: has no Annotations/*.txt"),
        ("number", "chair_1.txt: line 3: 'oops' is not a number"),
        ("columns", "chair_1.txt: line 3 has 7 columns where 6 were expected"),
        ("seven", "chair_1.txt: line 1 has 7 columns where 6 were expected"),
        ("colour", "chair_1.txt: has colours outside 0 to 255"),
    ],
)
def test_bad_rooms(
    copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture, what: str, message: str
) -> None:
    spoil(copy, what)
    assert message in error(capsys, copy, tmp_path / "scenes")
    assert not (tmp_path / "scenes" / "manifest.json").exists()


def test_an_empty_object_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "wall_1.txt"
    path.write_bytes(b"\n")
    table, notes = s3dis.read_object(path)
    assert table.shape == (0, 6) and notes == ["the file is empty"]


def test_no_areas(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert "holds no Area_1" in error(capsys, tmp_path, tmp_path / "s")
    assert "no such folder" in error(capsys, tmp_path / "nowhere", tmp_path / "s")
    (tmp_path / "Area_1").mkdir()
    assert "holds no rooms" in error(capsys, tmp_path, tmp_path / "s")


def test_a_stray_byte_that_no_repair_helps(tmp_path: Path) -> None:
    path = tmp_path / "wall_1.txt"
    path.write_bytes(b"1 2 3 4 5 6\n1 2 3 4\x01 5\n")
    with pytest.raises(FileError, match="line 2 has 5 columns"):
        s3dis.read_object(path)


def test_class_names() -> None:
    assert s3dis.class_of(Path("chair_12.txt")) == 8
    with pytest.raises(DataError, match="none of the classes"):
        s3dis.class_of(Path("chair.txt"))
