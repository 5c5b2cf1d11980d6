"""Any cloud through the runtime without PyTorch: whole or as arrays, lacking fields, odd or bad."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import salanet
from salanet import geometry
from salanet.adapt.alignment import AlignmentOptions, examine
from salanet.cloud import PointCloud
from salanet.datasets.rooms import generate
from salanet.datasets.town import town
from salanet.engine import Segmenter, segment
from salanet.errors import ConfigError, DataError
from salanet.models import Network
from salanet.sampling.summary import summarise

FOOT = 0.3048
NEEDED = ("return_number", "number_of_returns")
# Reads a file and labels it by its own alignment; tells what was imported on the way.
SCRIPT = """
import sys
import numpy as np
import salanet
from salanet.engine import Segmenter

np.save(sys.argv[3], Segmenter(sys.argv[1]).predict(salanet.read(sys.argv[2])))
tops = {name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names
print(*sorted(name for name in tops if not name.startswith("_")))
"""


@pytest.fixture(scope="module")
def aerial() -> tuple[Segmenter, Network]:
    return Segmenter("aerial"), salanet.load("aerial").fold()


@pytest.fixture(scope="module")
def rooms() -> tuple[Segmenter, Network]:
    return Segmenter("rooms"), salanet.load("rooms").fold()


@pytest.fixture(scope="module")
def outdoors() -> PointCloud:
    made = town(9, size=24)
    made.xyz += [770000, 6277000, 120]
    return made


@pytest.fixture(scope="module")
def indoors() -> PointCloud:
    return generate(3, points=20_000, sensor="tripod")


def without(cloud: PointCloud, *names: str) -> PointCloud:
    arrays = {name: array for name, array in cloud.arrays().items() if name not in names}
    known = {name: arrays.pop(name, None) for name in ("rgb", "intensity", "label")}
    return PointCloud(cloud.xyz, **known, attributes=arrays)


def by_torch(
    model: Network, cloud: PointCloud, options: AlignmentOptions | None = None
) -> np.ndarray:
    return segment(model, cloud, alignment=examine(model, summarise(cloud), options)).labels


@pytest.mark.parametrize(
    "lacking",
    [(), ("intensity",), NEEDED, ("return_number",), ("intensity", *NEEDED)],
    ids=lambda names: "+".join(names) or "all there",
)
def test_aerial_does_without(
    aerial: tuple[Segmenter, Network], outdoors: PointCloud, lacking: tuple[str, ...]
) -> None:
    cloud = without(outdoors, *lacking)
    found = aerial[0].predict(cloud)
    assert len(np.unique(found)) > 1
    assert (found == by_torch(aerial[1], cloud)).all()


@pytest.mark.parametrize("colour", ["colours", "no colours", "black"])
def test_rooms_do_without(
    rooms: tuple[Segmenter, Network], indoors: PointCloud, colour: str
) -> None:
    cloud = without(indoors, "rgb") if colour == "no colours" else indoors
    if colour == "black":
        cloud = replace(indoors, rgb=np.zeros((len(indoors), 3), np.uint8))
    found = rooms[0].predict(cloud)
    assert len(np.unique(found)) > 3
    assert (found == by_torch(rooms[1], cloud)).all()
    if colour != "colours":
        assert (found == rooms[0].predict(without(indoors, "rgb"))).all()
        assert any("rgb" in remark for remark in rooms[0].examine(cloud).remarks)


def test_fields_nobody_filled_are_neutral(
    aerial: tuple[Segmenter, Network], outdoors: PointCloud
) -> None:
    zeros = {name: np.zeros(len(outdoors), np.uint8) for name in NEEDED}
    blank = PointCloud(outdoors.xyz, intensity=np.zeros(len(outdoors)), attributes=zeros)
    found = aerial[0].predict(blank)
    assert (found == by_torch(aerial[1], blank)).all()
    assert (found == aerial[0].predict(outdoors.xyz)).all()


def test_arrays_are_a_cloud(aerial: tuple[Segmenter, Network], outdoors: PointCloud) -> None:
    given = {name: outdoors.attributes[name] for name in NEEDED}
    found = aerial[0].predict(outdoors.xyz, intensity=outdoors.intensity, **given)
    assert (found == aerial[0].predict(outdoors)).all()
    with pytest.raises(ConfigError, match="a whole cloud has its arrays with it"):
        aerial[0].predict(outdoors, intensity=outdoors.intensity)


def test_what_the_model_cannot_do_without_is_named(town_model: Path, outdoors: PointCloud) -> None:
    segmenter = Segmenter(town_model)
    with pytest.raises(DataError, match=r"the model needs 'intensity'.*give intensity="):
        segmenter.predict(outdoors.xyz)
    with pytest.raises(DataError, match="the model needs 'intensity', which the file lacks"):
        segmenter.predict(without(outdoors, "intensity"))


def test_units_and_axes(rooms: tuple[Segmenter, Network], indoors: PointCloud) -> None:
    segmenter, model = rooms
    expected = segmenter.predict(indoors, units="m", up="z")
    for units, size in {"mm": 0.001, "cm": 0.01, "ft": FOOT}.items():
        scaled = replace(indoors, xyz=indoors.xyz / size)
        found = segmenter.predict(scaled, units=units)
        assert (found == by_torch(model, scaled, AlignmentOptions(units=units))).all()
        assert (found == expected).mean() > 0.99  # a point on the edge of a cell may change sides
    x, y, z = indoors.xyz.T
    lying = replace(indoors, xyz=np.stack([x, z, -y], axis=1))
    assert (segmenter.predict(lying, up="y") == expected).mean() > 0.99
    assert segmenter.examine(lying, up="y").up == "y"
    millimetres = replace(indoors, xyz=indoors.xyz * 1000)
    alignment = segmenter.examine(millimetres)
    assert alignment.scale == (0.001,) * 3 and any(
        "millimetres" in remark for remark in alignment.remarks
    )
    assert (segmenter.predict(millimetres) == segmenter.predict(millimetres, units="mm")).all()
    with pytest.raises(ConfigError, match="units inch"):
        segmenter.predict(indoors, units="inch")
    with pytest.raises(ConfigError, match="up x"):
        segmenter.predict(indoors, up="x")


def test_one_fit_for_many_clouds(rooms: tuple[Segmenter, Network], indoors: PointCloud) -> None:
    segmenter = rooms[0]
    alignment = segmenter.examine(indoors, grid=0.08)
    assert (alignment.grid, alignment.zoom) == (0.08, 0.5)
    expected = segment(rooms[1], indoors, alignment=alignment).labels
    assert (segmenter.predict(indoors, alignment=alignment) == expected).all()


@pytest.mark.parametrize("lacking", [(), ("intensity", *NEEDED)], ids=["all there", "bare"])
def test_a_file_without_torch(
    aerial: tuple[Segmenter, Network],
    outdoors: PointCloud,
    lacking: tuple[str, ...],
    tmp_path: Path,
) -> None:
    path = tmp_path / ("scan.ply" if lacking else "scan.laz")
    salanet.write(path, without(outdoors, *lacking))
    command = [sys.executable, "-c", SCRIPT, "aerial", str(path), str(tmp_path / "out.npy")]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    imported = {*done.stdout.split()}
    assert "numpy" in imported and not imported & {"torch", "scipy", "tyro", "rich", "yaml"}
    assert (np.load(tmp_path / "out.npy") == by_torch(aerial[1], salanet.read(path))).all()


BAD = {
    "no numbers": ("scan.laz", r"read a file with salanet\.read"),
    "no rows": ([], r"shape \(N, 3\)"),
    "one point flat": ([1.0, 2.0, 3.0], r"shape \(N, 3\)"),
    "two columns": (np.zeros((5, 2)), r"shape \(N, 3\)"),
    "complex": (np.zeros((5, 3), complex), "numbers"),
    "empty": (np.zeros((0, 3)), "holds no points"),
    "nan": (np.full((5, 3), np.nan), "none of its 5 points has finite coordinates"),
}


@pytest.mark.parametrize("xyz, message", BAD.values(), ids=BAD)
def test_bad_coordinates(rooms: tuple[Segmenter, Network], xyz: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        rooms[0].predict(xyz)


@pytest.mark.parametrize(
    "name, array, message",
    [
        ("rgb", np.zeros((5, 3)), "'rgb' must be uint8"),
        ("rgb", np.zeros((5, 4), np.uint8), "'rgb' must be uint8"),
        ("rgb", np.full((5, 3), 65535, np.uint16), "outside 0 to 255"),
        ("rgb", np.zeros((4, 3), np.uint8), "'rgb' has 4 values for 5 points"),
        ("intensity", ["high"] * 5, "'intensity' must be numbers"),
        ("intensity", np.zeros((5, 2)), r"'intensity' must be numbers of shape \(5,\)"),
        ("return_number", np.array(["1"] * 5), "'return_number' must be numbers"),
        ("return_number", np.zeros((5, 1), np.uint8), r"of shape \(5,\), not"),
    ],
)
def test_bad_arrays(
    aerial: tuple[Segmenter, Network],
    rooms: tuple[Segmenter, Network],
    name: str,
    array: object,
    message: str,
) -> None:
    xyz = np.random.default_rng(0).uniform(0, 3, (5, 3))
    needs, spares = (rooms[0], aerial[0]) if name == "rgb" else (aerial[0], rooms[0])
    with pytest.raises(DataError, match=message):
        needs.predict(xyz, **{name: array})
    assert (spares.predict(xyz, **{name: array}) == spares.predict(xyz)).all()


def test_single_precision_far_from_the_origin_is_refused(
    aerial: tuple[Segmenter, Network], outdoors: PointCloud
) -> None:
    segmenter = aerial[0]
    with pytest.raises(DataError, match=r"float32.*steps of 1, .*float64"):
        segmenter.predict(outdoors.xyz.astype(np.float32))
    near = (outdoors.xyz - outdoors.xyz.min(axis=0)).astype(np.float32)
    assert (segmenter.predict(near) == segmenter.predict(near.astype(np.float64))).all()


def test_odd_arrays(aerial: tuple[Segmenter, Network], outdoors: PointCloud) -> None:
    """Strided, read-only, of another byte order, Fortran's order, other integers, plain lists."""
    segmenter, n = aerial[0], len(outdoors)
    expected = segmenter.predict(outdoors)
    assert outdoors.intensity is not None
    twice = np.zeros((2 * n, 3))
    twice[::2] = outdoors.xyz
    read_only = outdoors.intensity.copy()
    read_only.setflags(write=False)
    count = outdoors.attributes["number_of_returns"].astype(">i4")
    number = np.repeat(outdoors.attributes["return_number"][:, None], 2, axis=1)[:, 0]
    given = {"intensity": read_only, "number_of_returns": count, "return_number": number}
    frozen = outdoors.xyz.copy()
    frozen.setflags(write=False)
    forms = (twice[::2], frozen, np.asfortranarray(outdoors.xyz), outdoors.xyz.astype(">f8"))
    for xyz in (*forms, outdoors.xyz.tolist()):
        assert (segmenter.predict(xyz, **given) == expected).all()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_points(
    aerial: tuple[Segmenter, Network], rooms: tuple[Segmenter, Network], count: int
) -> None:
    xyz = np.arange(3.0 * count).reshape(count, 3) + 1e6
    for segmenter, model in (aerial, rooms):
        found = segmenter.predict(xyz)
        assert found.shape == (count,) and found.dtype == np.int64
        assert (found == by_torch(model, PointCloud(xyz))).all()


def test_threads(indoors: PointCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    for count in (0, -1, 1.5):
        with pytest.raises(ConfigError, match="threads must be a whole number above 0"):
            Segmenter("rooms", threads=count)
    asked: set[int] = set()
    index = geometry._index

    def spy(points: np.ndarray, workers: int) -> object:
        asked.add(workers)
        return index(points, workers)

    monkeypatch.setattr(geometry, "_index", spy)
    one, three = (Segmenter("rooms", threads=count).predict(indoors) for count in (1, 3))
    assert (one == three).all() and asked == {1, 3}
    with pytest.raises(ConfigError, match="tile_points must be at least 1"):
        Segmenter("rooms").predict(indoors, tile_points=0)


def test_logits_of_bad_arrays(rooms: tuple[Segmenter, Network]) -> None:
    segmenter = rooms[0]
    width = segmenter.config.in_channels
    points, seen = np.zeros((4, 3), np.float32), np.ones((4, width), np.float32)
    expected = segmenter.logits(points, seen)
    assert expected.shape == (4, 13)
    odd = np.ones((4, 2 * width))[:, ::2]
    shape = rf"features must have shape \(4, {width}\), not "
    assert (segmenter.logits(np.asfortranarray(points, np.float64), odd) == expected).all()
    for bad_points, bad_features, message in [
        (points[:, :2], seen, r"points must have shape \(N, 3\)"),
        (points[:0], seen[:0], "no points"),
        (points, seen[:3], rf"{shape}\(3, {width}\)"),
        (points, seen[:, :4], rf"{shape}\(4, 4\)"),
        (points * np.nan, seen, "NaN"),
    ]:
        with pytest.raises(DataError, match=message):
            segmenter.logits(bad_points, bad_features)


def test_names() -> None:
    assert Segmenter("rooms").classes[0] == "ceiling"
    with pytest.raises(ConfigError, match="there is no model 'gardens'; there are aerial, rooms"):
        Segmenter("gardens")
