"""What a result in another format does not hold of what a file has beside its points is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from laspy.vlrs.known import WktCoordinateSystemVlr

from salanet import io
from salanet.datasets.town import town
from salanet.engine import Runner, open_runner
from salanet.io.convert import convert
from salanet.io.faces import unkept
from salanet.io.las import binary
from salanet.labelling.predict import PredictOptions, predict_file

LOST = [
    "the reference system (RGF93 / Lambert-93) is not kept",
    "1 records of the LAS file are not kept",
    "colours of 16 bits became 8 bits",
]


@pytest.fixture(scope="module")
def model(town_model: Path) -> Runner:
    return open_runner(town_model)


@pytest.fixture(scope="module")
def tile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LAZ with a reference system, a record of somebody's, and colours of 16 bits."""
    folder = tmp_path_factory.mktemp("tile")
    cloud = town(7, size=24)
    cloud.label = None
    cloud.rgb = np.full((len(cloud), 3), 9, np.uint8)
    io.write(folder / "plain.las", cloud)
    las = binary.read(folder / "plain.las")
    system = WktCoordinateSystemVlr('PROJCS["RGF93 / Lambert-93"]')
    las.vlrs += [
        binary.Vlr.new(b"LASF_Projection", 2112, b"", system.record_data_bytes()),
        binary.Vlr.new(b"someone", 7, b"private", b"x"),
    ]
    colours = las.points[:, 30:36].copy().view("<u2")
    assert (colours == 9 * 256).all() and las.format == 7
    colours[:] = 1000
    las.points[:, 30:36] = colours.view(np.uint8)
    binary.write(folder / "tile.laz", las, compress=True)
    return folder / "tile.laz"


@pytest.mark.parametrize("suffix", [".ply", ".pcd", ".xyz", ".npz", ".csv"])
def test_other_formats(tmp_path: Path, model: Runner, tile: Path, suffix: str) -> None:
    found = predict_file(model, tile, tmp_path / f"a{suffix}").remarks
    assert [remark for remark in found if remark in LOST] == LOST
    assert len({*found}) == len(found)
    assert {*LOST} <= {*convert(tile, tmp_path / f"b{suffix}")}
    assert io.read(tmp_path / f"a{suffix}").crs is None


@pytest.mark.parametrize("name", ["a.las", "a.laz", "a.copc.laz"])
@pytest.mark.parametrize("memory", [None, 10**8])
def test_the_same_format(
    tmp_path: Path, model: Runner, tile: Path, name: str, memory: int | None
) -> None:
    options = PredictOptions(memory=memory)
    found = predict_file(model, tile, tmp_path / name, options).remarks
    assert not [remark for remark in found if "not kept" in remark or remark in LOST]
    back, before = io.read(tmp_path / name), io.read(tile)
    assert back.crs == before.crs is not None
    assert (b"someone", 7) in back.source.file.records()


def test_nothing_to_lose(tmp_path: Path, model: Runner) -> None:
    cloud = town(7, size=24)
    for suffix in (".laz", ".npz", ".csv", ".ply"):
        io.write(tmp_path / f"a{suffix}", cloud)
        for to in (".laz", ".ply", ".npz", ".npy"):
            found = predict_file(model, tmp_path / f"a{suffix}", tmp_path / f"b{to}").remarks
            assert not [r for r in found if "not kept" in r or "left out" in r or r in LOST]


def test_what_is_beside_the_points(tmp_path: Path, model: Runner) -> None:
    cloud = town(7, size=24)
    io.write(tmp_path / "a.npz", cloud)
    with np.load(tmp_path / "a.npz") as arrays:
        np.savez(tmp_path / "b.npz", **arrays, origin=np.array([1.0, 2.0]))
    for to in (".ply", ".npy", ".laz"):
        found = predict_file(model, tmp_path / "b.npz", tmp_path / f"c{to}").remarks
        assert found.count("'origin' is not per point: left out") == 1
    found = predict_file(model, tmp_path / "b.npz", tmp_path / "c.npz").remarks
    assert not [remark for remark in found if "origin" in remark]


@pytest.mark.parametrize("faces, cameras", [(1, 0), (0, 1), (1, 1)])
def test_other_elements(tmp_path: Path, model: Runner, faces: int, cameras: int) -> None:
    io.write(tmp_path / "a.ply", town(7, size=24))
    head, points = (tmp_path / "a.ply").read_bytes().split(b"end_header\n", 1)
    if faces:
        head += b"element face 1\nproperty list uchar int vertex_indices\n"
        points += b"\3" + np.arange(3, dtype="<i4").tobytes()
    if cameras:
        head += b"element camera 1\nproperty float angle\n"
        points += np.ones(1, "<f4").tobytes()
    (tmp_path / "b.ply").write_bytes(head + b"end_header\n" + points)
    options = PredictOptions(vertices=True)
    found = predict_file(model, tmp_path / "b.ply", tmp_path / "c.laz", options).remarks
    lost = [remark for remark in found if "not kept" in remark]
    assert len(lost) == faces + cameras
    assert sum("faces of the mesh" in remark for remark in lost) == faces
    assert sum("beside its points" in remark for remark in lost) == cameras
    found = predict_file(model, tmp_path / "b.ply", tmp_path / "c.ply", options).remarks
    assert not [remark for remark in found if "not kept" in remark]


def test_a_ply_without_faces_loses_none(tmp_path: Path) -> None:
    head = "ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\n"
    head += (
        "property float z\nelement face {}\nproperty list uchar int vertex_indices\nend_header\n"
    )
    points = "0 0 0\n1 0 0\n0 1 0\n"
    (tmp_path / "a.ply").write_text(head.format(0) + points)
    (tmp_path / "b.ply").write_text(head.format(1) + points + "3 0 1 2\n")
    said = [unkept(io.read(tmp_path / name), tmp_path / "to.pcd") for name in ("a.ply", "b.ply")]
    assert said[0] == [] and "the faces of the mesh are not kept" in said[1][0]
