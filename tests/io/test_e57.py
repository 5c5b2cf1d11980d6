"""E57: scans with poses, colours of any depth, spherical coordinates, damage."""

from __future__ import annotations

import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from salanet import io
from salanet.errors import FileError, MissingExtraError, SalaNetError

libe57 = pytest.importorskip("pye57.libe57", reason="the extra 'formats' is not installed")


def make(path: Path, *scans: dict[str, Any]) -> None:
    """An E57 as a scanner's program writes it.

    A scan is its fields, with "name", "pose" (rotation w x y z, translation) and "limits" (of the
    colours) beside them; float64 fields are stored as such, "scaled" ones as integers of 0.1 mm.
    """
    file = libe57.ImageFile(str(path), "w")
    file.extensionsAdd("", libe57.E57_V1_0_URI)
    file.extensionsAdd("nor", "http://www.libe57.org/E57_NOR_surface_normals.txt")

    def structure(values: dict[str, Any]) -> Any:
        node = libe57.StructureNode(file)
        for name, value in values.items():
            node.set(name, libe57.FloatNode(file, float(value)))
        return node

    root = file.root()
    root.set("formatName", libe57.StringNode(file, "ASTM E57 3D Imaging Data File"))
    root.set("coordinateMetadata", libe57.StringNode(file, 'PROJCS["somewhere"]'))
    nodes = libe57.VectorNode(file, True)
    root.set("data3D", nodes)
    for scan in scans:
        node = libe57.StructureNode(file)
        fields = {k: v for k, v in scan.items() if isinstance(v, np.ndarray)}
        node.set("name", libe57.StringNode(file, scan.get("name", "")))
        if "pose" in scan:
            rotation, translation = scan["pose"]
            pose = libe57.StructureNode(file)
            # Not in the order of w, x, y, z: names count.
            named = dict(zip("xyzw", np.roll(rotation, -1), strict=True))
            pose.set("rotation", structure(named))
            pose.set("translation", structure(dict(zip("xyz", translation, strict=True))))
            node.set("pose", pose)
        if "limits" in scan:
            parts = [f"color{c}" for c in ("Red", "Green", "Blue")]
            ends = {f"{p}Minimum": scan["limits"][0] for p in parts}
            node.set(
                "colorLimits", structure(ends | {f"{p}Maximum": scan["limits"][1] for p in parts})
            )
        prototype, buffers = libe57.StructureNode(file), libe57.VectorSourceDestBuffer()
        count = len(next(iter(fields.values())))
        kept = {
            k: np.ascontiguousarray(v, np.longlong if v.dtype.kind in "iu" else v.dtype)
            for k, v in fields.items()
        }
        for name, values in kept.items():
            if name in scan.get("scaled", ()):
                child = libe57.ScaledIntegerNode(file, 0, -(2**31), 2**31 - 1, 1e-4, 0.0)
            elif values.dtype.kind == "i":
                low, high = int(values.min()), int(values.max())
                child = libe57.IntegerNode(file, low, low, high)
            else:
                single = values.dtype == np.float32
                child = libe57.FloatNode(
                    file, 0.0, libe57.E57_SINGLE if single else libe57.E57_DOUBLE
                )
            prototype.set(name, child)
            if count:
                buffers.append(libe57.SourceDestBuffer(file, name, values, count, True, True))
        points = libe57.CompressedVectorNode(file, prototype, libe57.VectorNode(file, True))
        node.set("points", points)
        nodes.append(node)
        if count:
            writer = points.writer(buffers)
            writer.write(count)
            writer.close()
    file.close()


def xyz_fields(xyz: np.ndarray) -> dict[str, np.ndarray]:
    return {f"cartesian{c}": xyz[:, i] for i, c in enumerate("XYZ")}


def test_fields_keep_values_and_types(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    xyz = rng.random((500, 3)) * 100 + np.array([651000, 6861000, 0])
    fields = {
        "intensity": rng.random(500, dtype=np.float32),
        "colorRed": np.r_[0, rng.integers(0, 256, 498), 255],
        "colorGreen": np.r_[0, rng.integers(0, 256, 498), 255],
        "colorBlue": np.r_[0, rng.integers(0, 256, 498), 255],
        "rowIndex": np.arange(500),
        "columnIndex": np.arange(500) % 7 - 3,
        "timeStamp": rng.random(500) * 1e9,
        "classification": np.arange(500) % 9,
    }
    make(tmp_path / "a.e57", {**xyz_fields(xyz), **fields, "name": "tower"})
    cloud = io.read(tmp_path / "a.e57")
    np.testing.assert_array_equal(cloud.xyz, xyz)
    np.testing.assert_array_equal(cloud.intensity, fields["intensity"])
    assert cloud.rgb[:, 1].tolist() == fields["colorGreen"].tolist()
    assert cloud.label.tolist() == fields["classification"].tolist()
    types = {name: array.dtype.str[1:] for name, array in cloud.attributes.items()}
    assert types == {"rowIndex": "i2", "columnIndex": "i1", "timeStamp": "f8", "scan": "u2"}
    for name in ("rowIndex", "columnIndex", "timeStamp"):
        np.testing.assert_array_equal(cloud.attributes[name], fields[name])
    assert cloud.source.scans == [("tower", 500)]
    assert cloud.source.system == 'PROJCS["somewhere"]'
    assert cloud.source.remarks == []


def test_scans_are_merged_in_one_frame(tmp_path: Path) -> None:
    """A quarter turn about z, then a move; the second scan lacks the colours of the first."""
    one = {
        **xyz_fields(np.array([[1.0, 0, 0], [0, 2, 5], [9, 9, 9]])),
        "pose": ([np.sqrt(0.5), 0, 0, np.sqrt(0.5)], [100, 200, 300]),
    }
    one |= {f"color{c}": np.array([0, 51, 255]) for c in ("Red", "Green", "Blue")}
    one["cartesianInvalidState"] = np.array([0, 0, 2])
    two = {**xyz_fields(np.array([[1.5, 2.5, 3.5]])), "intensity": np.array([0.25], np.float32)}
    make(tmp_path / "a.e57", one, two)
    cloud = io.read(tmp_path / "a.e57")
    expected = [[100, 201, 300], [98, 200, 305], [1.5, 2.5, 3.5]]
    np.testing.assert_allclose(cloud.xyz, expected, atol=1e-12)
    assert cloud.attributes["scan"].tolist() == [0, 0, 1]
    assert cloud.rgb.tolist() == [[0] * 3, [51] * 3, [0] * 3]
    np.testing.assert_array_equal(cloud.intensity, [np.nan, np.nan, 0.25])
    assert cloud.source.remarks == [
        "scan 0: 1 points without valid coordinates are left out",
        "scan 1 has no 'rgb': 0 there",
        "scan 0 has no 'intensity': NaN there",
    ]


def test_spherical_and_scaled_coordinates(tmp_path: Path) -> None:
    sphere = {
        "sphericalRange": np.array([2.0, 2, 2]),
        "sphericalAzimuth": np.array([0, np.pi / 2, 0]),
        "sphericalElevation": np.array([0, 0, np.pi / 2]),
    }
    scaled = xyz_fields(np.array([[1.2345, -2.5, 7.0001]]))
    make(tmp_path / "a.e57", sphere, {**scaled, "scaled": tuple(scaled)})
    cloud = io.read(tmp_path / "a.e57")
    expected = [[2, 0, 0], [0, 2, 0], [0, 0, 2], [1.2345, -2.5, 7.0001]]
    np.testing.assert_allclose(cloud.xyz, expected, atol=1e-12)


def test_normals_are_turned_with_the_points(tmp_path: Path) -> None:
    """A floor, turned by a quarter about x: it stands, and its normal lies along -y."""
    floor = np.random.default_rng(0).random((20, 3)) * [5, 4, 0]
    scan = {f"nor:normal{c}": np.full(20, c == "Z", np.float32) for c in "XYZ"}
    pose = ([np.sqrt(0.5), np.sqrt(0.5), 0, 0], [10, 20, 30])
    make(tmp_path / "a.e57", {**xyz_fields(floor), **scan, "pose": pose}, xyz_fields(floor))
    cloud = io.read(tmp_path / "a.e57")
    normals = np.stack([cloud.attributes[name] for name in ("nx", "ny", "nz")], axis=1)
    assert normals.dtype == np.float32 and {*cloud.attributes} == {"nx", "ny", "nz", "scan"}
    np.testing.assert_allclose(normals[:20], [[0, -1, 0]] * 20, atol=1e-7)
    assert np.ptp(cloud.xyz[:20], axis=0)[1] < 1e-12
    assert np.isnan(normals[20:]).all()
    assert cloud.source.remarks == [f"scan 1 has no '{n}': NaN there" for n in ("nx", "ny", "nz")]
    io.write(tmp_path / "b.ply", cloud)
    assert b"property float nx" in (tmp_path / "b.ply").read_bytes()


def test_spherical_coordinates_are_moved_by_the_pose(tmp_path: Path) -> None:
    xyz = np.random.default_rng(0).uniform([0.5, 0.5, -1], [5, 4, 2], (50, 3))
    far = np.linalg.norm(xyz, axis=1)
    scan = {
        "sphericalRange": far,
        "sphericalAzimuth": np.arctan2(xyz[:, 1], xyz[:, 0]),
        "sphericalElevation": np.arcsin(xyz[:, 2] / far),
        "sphericalInvalidState": np.arange(50) % 2,
    }
    make(tmp_path / "a.e57", {**scan, "pose": ([np.sqrt(0.5), 0, 0, np.sqrt(0.5)], [1, 2, 3])})
    cloud = io.read(tmp_path / "a.e57")
    expected = np.stack([1 - xyz[:, 1], 2 + xyz[:, 0], 3 + xyz[:, 2]], axis=1)
    np.testing.assert_allclose(cloud.xyz, expected[::2], atol=1e-12)


def test_a_rotation_of_zeros_is_none(tmp_path: Path) -> None:
    make(tmp_path / "a.e57", {**xyz_fields(np.ones((4, 3))), "pose": ([0, 0, 0, 0], [10, 20, 30])})
    cloud = io.read(tmp_path / "a.e57")
    assert cloud.xyz.tolist() == [[11, 21, 31]] * 4
    assert cloud.source.remarks == ["scan 0: its rotation is 0 0 0 0, taken as not turned"]
    make(tmp_path / "b.e57", {**xyz_fields(np.ones((4, 3))), "pose": ([1e308] * 4, [0, 0, 0])})
    with pytest.raises(FileError, match=r"the rotation .* of scan 0 is none"):
        io.read(tmp_path / "b.e57")


def test_scans_without_points(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from salanet.cli.main import main

    one, empty = xyz_fields(np.ones((4, 3))), xyz_fields(np.ones((0, 3)))
    path = tmp_path / "a.e57"
    make(path, one, empty, one)
    cloud = io.read(path)
    assert cloud.attributes["scan"].tolist() == [0] * 4 + [2] * 4
    assert cloud.source.remarks == ["scan 1 has no points and is left out"]
    assert (io.scan_count(path), io.scan_numbers(path)) == (3, [0, 2])
    with pytest.raises(FileError, match="scan 1 has no points"):
        io.read(path, scan=1)
    assert main(["convert", str(path), str(tmp_path / "b.ply"), "--scans", "separate"]) == 0
    assert "scan 1 has no points, nothing is written for it" in capsys.readouterr().err
    assert {p.name for p in tmp_path.glob("*.ply")} == {"b.scan0.ply", "b.scan2.ply"}
    make(path, empty)
    with pytest.raises(FileError, match="holds no points"):
        io.read(path)


def test_invalid_intensities_and_numbers_of_returns(tmp_path: Path) -> None:
    scan = {
        **xyz_fields(np.ones((4, 3))),
        "intensity": np.array([1, 2, 3, 4]),
        "isIntensityInvalid": np.array([0, 1, 0, 1]),
        "returnIndex": np.array([0, 1, 0, 0]),
        "returnCount": np.array([2, 2, 1, 1]),
    }
    black = {f"color{c}": np.array([0, 0, 0, 9]) for c in ("Red", "Green", "Blue")}
    make(tmp_path / "a.e57", {**scan, **black, "isColorInvalid": np.ones(4, int)})
    cloud = io.read(tmp_path / "a.e57")
    np.testing.assert_array_equal(cloud.intensity, [1, np.nan, 3, np.nan])
    assert cloud.attributes["isIntensityInvalid"].tolist() == [0, 1, 0, 1]
    assert cloud.attributes["return_number"].tolist() == [1, 2, 1, 1]
    assert cloud.attributes["number_of_returns"].tolist() == [2, 2, 1, 1]
    assert cloud.rgb is None
    assert cloud.source.remarks == [
        "scan 0: 2 intensities are invalid: NaN",
        "scan 0: no 'rgb' is valid, it is left out",
    ]
    io.write(tmp_path / "b.laz", cloud)
    assert io.read(tmp_path / "b.laz").attributes["return_number"].tolist() == [1, 2, 1, 1]


@pytest.mark.parametrize(
    "limits, stored",
    [((0, 65535), [0, 13107, 65535]), ((0, 1), [0.0, 0.2, 1.0]), (None, [0, 51, 255])],
)
def test_colours_of_every_depth(tmp_path: Path, limits: Any, stored: list[Any]) -> None:
    scan: dict[str, Any] = xyz_fields(np.zeros((3, 3)))
    scan |= {f"color{c}": np.array(stored) for c in ("Red", "Green", "Blue")}
    make(tmp_path / "a.e57", scan | ({"limits": limits} if limits else {}))
    assert io.read(tmp_path / "a.e57").rgb.tolist() == [[0] * 3, [51] * 3, [255] * 3]


def test_e57_is_input_only(tmp_path: Path) -> None:
    make(tmp_path / "a.e57", xyz_fields(np.ones((4, 3))))
    cloud = io.read(tmp_path / "a.e57")
    with pytest.raises(FileError, match=r"\.e57 is read only; write to \.laz or \.ply"):
        io.write(tmp_path / "b.e57", cloud)
    for suffix in (".laz", ".ply"):
        assert io.write(tmp_path / f"b{suffix}", cloud) == []
        assert io.read(tmp_path / f"b{suffix}").attributes["scan"].tolist() == [0] * 4


def test_a_file_without_points_or_coordinates(tmp_path: Path) -> None:
    path = tmp_path / "a.e57"
    make(path)
    with pytest.raises(FileError, match="without scans"):
        io.read(path)
    make(path, {"intensity": np.ones(3)})
    with pytest.raises(FileError, match="scan 0 has no coordinates among intensity"):
        io.read(path)
    with pytest.raises(FileError, match="leave columns out"):
        io.read(path, columns="x,y,z")


def test_one_scan_of_several(tmp_path: Path) -> None:
    turn = ([np.sqrt(0.5), 0, 0, np.sqrt(0.5)], [10, 0, 0])
    one = {**xyz_fields(np.array([[1.0, 0, 0]] * 3)), "intensity": np.ones(3)}
    make(tmp_path / "a.e57", one, {**xyz_fields(np.array([[1.0, 0, 0]] * 2)), "pose": turn})
    assert io.scan_count(tmp_path / "a.e57") == 2
    merged = io.read(tmp_path / "a.e57")
    assert merged.attributes["scan"].tolist() == [0, 0, 0, 1, 1]
    second = io.read(tmp_path / "a.e57", scan=1)
    np.testing.assert_allclose(second.xyz, [[10, 1, 0]] * 2, atol=1e-12)
    assert second.intensity is None and second.attributes["scan"].tolist() == [1, 1]
    assert second.source.remarks == [] and len(second.source.scans) == 1
    with pytest.raises(FileError, match="has no scan 2; its 2 scans are numbered from 0"):
        io.read(tmp_path / "a.e57", scan=2)
    io.write(tmp_path / "a.ply", second)
    assert io.scan_count(tmp_path / "a.ply") == 1
    with pytest.raises(FileError, match="has no scans to choose from"):
        io.read(tmp_path / "a.ply", scan=0)
    (tmp_path / "bad.e57").write_bytes((tmp_path / "a.e57").read_bytes()[:900])
    with pytest.raises(FileError, match="damaged"):
        io.scan_count(tmp_path / "bad.e57")


def test_scans_kept_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from salanet.cli.main import main

    make(tmp_path / "a.e57", xyz_fields(np.zeros((3, 3))), xyz_fields(np.ones((2, 3))))
    arguments = ["convert", str(tmp_path / "a.e57"), str(tmp_path / "b.ply")]
    assert main([*arguments, "--scans", "separate"]) == 0
    assert [len(io.read(tmp_path / f"b.scan{i}.ply")) for i in range(2)] == [3, 2]
    assert not (tmp_path / "b.ply").exists()
    assert main([*arguments, "--scan", "1", "--json"]) == 0
    assert io.read(tmp_path / "b.ply").xyz.tolist() == [[1, 1, 1]] * 2
    assert main([*arguments, "--scan", "1", "--scans", "separate"]) == 2
    assert "choose one" in capsys.readouterr().err


def test_prediction_of_scans(
    town_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from salanet import load, save
    from salanet.cli.main import main
    from salanet.datasets.town import town

    model = tmp_path / "model.safetensors"
    optional = ["intensity", "return_number", "number_of_returns"]
    save(load(town_model), model, {"optional": optional})
    parts = np.array_split(town(9, size=24).xyz - [652_000, 6_862_000, 0], 2)
    pose = ([1, 0, 0, 0], [652_000, 6_862_000, 0])
    make(tmp_path / "a.e57", *({**xyz_fields(part), "pose": pose} for part in parts))
    arguments = ["predict", str(tmp_path / "a.e57"), "-m", str(model), "--units", "m"]
    assert main(arguments) == 0
    assert len(io.read(tmp_path / "a.labelled.laz")) == sum(map(len, parts))
    assert main([*arguments, "--scans", "separate"]) == 0
    for i, part in enumerate(parts):
        labelled = io.read(tmp_path / f"a.scan{i}.labelled.laz")
        np.testing.assert_allclose(labelled.xyz, part + pose[1], atol=1e-3)
    assert main([*arguments, "--scan", "1", "-o", str(tmp_path / "b.ply")]) == 0
    assert len(io.read(tmp_path / "b.ply")) == len(parts[1])
    assert main([*arguments, "--scan", "7"]) == 2
    assert "has no scan 7" in capsys.readouterr().err


def checksum(page: bytes) -> int:
    """CRC-32C, as E57 has one behind every 1020 bytes."""
    value = 0xFFFFFFFF
    for byte in page:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


def sealed(data: bytes) -> bytes:
    """The checksums put right, so that damage reaches what lies behind them."""
    pages = [data[i : i + 1020] for i in range(0, len(data) - 1023, 1024)]
    return b"".join(page + struct.pack(">I", checksum(page)) for page in pages)


def damaged(rng: np.random.Generator, data: bytes) -> bytes:
    """Cut short, bits turned with and without right checksums, or other digits in the XML."""
    kind, changed = rng.integers(4), bytearray(data)
    if kind == 0:
        return data[: rng.integers(len(data))]
    digits = [i for i in range(data.find(b"<?xml"), len(data)) if 48 <= data[i] < 58]
    for _ in range(rng.integers(1, 6)):
        if kind == 3:
            changed[digits[rng.integers(len(digits))]] = 48 + rng.integers(10)
        else:
            changed[rng.integers(len(data))] ^= 1 << rng.integers(8)
    return bytes(changed) if kind == 1 else sealed(bytes(changed))


def test_damage_is_an_error_or_a_cloud(tmp_path: Path) -> None:
    fields = {**xyz_fields(np.random.default_rng(0).random((60, 3))), "rowIndex": np.arange(60)}
    make(tmp_path / "a.e57", {**fields, "pose": ([1, 0, 0, 0], [1, 2, 3])})
    data = (tmp_path / "a.e57").read_bytes()
    assert sealed(data) == data
    path, rng, outcomes = tmp_path / "b.e57", np.random.default_rng(0), {"cloud": 0, "error": 0}
    for _ in range(150):
        path.write_bytes(damaged(rng, data))
        try:
            io.read(path).check()
            outcomes["cloud"] += 1
        except SalaNetError as error:
            assert str(error).startswith(str(path)) and "\n" not in str(error)
            outcomes["error"] += 1
    assert outcomes["error"] > 50


def test_a_count_that_lies(tmp_path: Path) -> None:
    make(tmp_path / "a.e57", xyz_fields(np.ones((10, 3))))
    data = (tmp_path / "a.e57").read_bytes()
    for count, message in ((b"99", "cut short|damaged"), (b"9" * 15, "bomb|damaged")):
        text = data.replace(b'recordCount="10"', b'recordCount="' + count + b'"')
        assert text != data
        (tmp_path / "b.e57").write_bytes(sealed(text[: len(data)]))
        with pytest.raises(FileError, match=message):
            io.read(tmp_path / "b.e57")


def test_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "a.e57", xyz_fields(np.ones((4, 3))))
    monkeypatch.setitem(sys.modules, "pye57", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'salanet\[formats\]'"):
        io.read(tmp_path / "a.e57")
