"""Meshes on the command line: seen on their surface, labelled at their vertices."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from glb import Glb

import salanet
from salanet.cli.main import main
from salanet.io.faces import triangles
from salanet.scenes import open_scenes
from salanet.view import sample


def grid_mesh(path: Path, apart: float = 0.25, side: int = 12) -> Path:
    """A level square of side² vertices, apart metres from each other, in pairs of triangles."""
    x, y = np.meshgrid(np.arange(side) * apart, np.arange(side) * apart)
    z = np.zeros(x.size)
    z[0] = 1e-4
    points = np.empty(
        x.size, [("xyz", "<f4", 3), ("rgb", "u1", 3), ("label", "<i4"), ("extra", "<f4")]
    )
    points["xyz"] = np.column_stack([x.ravel(), y.ravel(), z])
    points["rgb"], points["label"] = 120, x.ravel() > 1.3
    points["extra"] = np.arange(x.size)
    a = (np.arange(side - 1)[:, None] * side + np.arange(side - 1)).ravel()
    faces = np.empty(2 * len(a), [("n", "u1"), ("v", "<i4", 3)])
    faces["n"] = 3
    faces["v"] = np.vstack(
        [np.stack([a, a + 1, a + side], 1), np.stack([a + 1, a + side + 1, a + side], 1)]
    )
    head = f"""ply
format binary_little_endian 1.0
element vertex {x.size}
property float x
property float y
property float z
property uchar red
property uchar green
property uchar blue
property int label
property float extra
element face {len(faces)}
property list uchar int vertex_indices
end_header
"""
    path.write_bytes(head.encode() + points.tobytes() + faces.tobytes())
    return path


def predict(path: Path, to: Path, capsys: pytest.CaptureFixture[str], *more: str) -> dict:  # type: ignore[type-arg]
    arguments = [str(path), "-m", "rooms", "-o", str(to), "--json", "--confidence", *more]
    assert main(["predict", *arguments]) == 0
    (report,) = json.loads(capsys.readouterr().out)
    return report  # type: ignore[no-any-return]


def test_vertices_are_labelled_and_the_faces_seen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out, alone = grid_mesh(tmp_path / "mesh.ply"), tmp_path / "out.ply", tmp_path / "v.ply"
    report = predict(path, out, capsys)
    area = (11 * 0.25) ** 2
    wanted = round(area / 0.02**2)  # two points along a cell of 4 cm
    assert f"a mesh: {wanted:,} points on its faces" in " ".join(report["remarks"])
    assert report["points"] == 144 and report["cells"] > 0.9 * area / 0.04**2
    before, after = salanet.read(path), salanet.read(out)
    assert np.array_equal(before.xyz, after.xyz)  # order and places, and the faces behind them
    assert np.array_equal(before.attributes["extra"], after.attributes["extra"])
    assert out.read_bytes().endswith(path.read_bytes()[-2 * 121 * 13 :])
    assert after.label is not None and after.label.min() >= 0
    report = predict(path, alone, capsys, "--vertices")
    assert report["cells"] == 144 and "mesh" not in " ".join(report["remarks"])


def test_scenes_of_meshes_are_their_surface(tmp_path: Path) -> None:
    path = grid_mesh(tmp_path / "mesh.ply")
    command = ["prepare", "files", str(path), "--classes", "left=0,right=1", "--grid", "0.1"]
    assert main([*command[:3], str(tmp_path / "all"), *command[3:]]) == 0
    (scene,) = open_scenes(tmp_path / "all", "train")
    assert len(scene) > 0.9 * (2.75 / 0.1) ** 2
    right = scene.segment[np.abs(scene.coord[:, 0] + scene.offset[0] - 1.375) > 0.13]  # type: ignore[index]
    where = scene.coord[:, 0] + scene.offset[0]
    assert np.array_equal(right, (where > 1.375)[np.abs(where - 1.375) > 0.13])
    assert main([*command[:3], str(tmp_path / "few"), *command[3:], "--vertices"]) == 0
    (scene,) = open_scenes(tmp_path / "few", "train")
    assert len(scene) == 144


def test_the_surface_is_shown(tmp_path: Path) -> None:
    path = grid_mesh(tmp_path / "mesh.ply")
    assert len(sample.load(path, 5000)) == 5000
    assert len(sample.load(path, 5000, vertices=True)) == 144
    assert len(sample.load(path, 100)) == 100


def corner_room() -> tuple[np.ndarray, np.ndarray]:
    """A floor of 4 m by 3 m and two walls 2.5 m high: corners with z up, triangles."""
    xyz = np.array(
        [[0, 0, 0], [4, 0, 0], [4, 3, 0], [0, 3, 0], [0, 0, 2.5], [4, 0, 2.5], [0, 3, 2.5]]
    )
    faces = [[0, 1, 2], [0, 2, 3], [0, 1, 5], [0, 5, 4], [0, 3, 6], [0, 6, 4]]
    return xyz.astype(np.float32), np.array(faces, np.uint16)


def test_a_room_of_gltf_is_that_of_a_ply(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("trimesh")
    xyz, faces = corner_room()
    made = Glb()
    lying = np.stack([xyz[:, 0], xyz[:, 2], -xyz[:, 1]], axis=1)  # y up
    made.node(mesh=made.mesh(lying, faces.ravel()), translation=[0, 1, 0])
    path = made.write(tmp_path / "room.glb")
    head = f"ply\nformat ascii 1.0\nelement vertex {len(xyz)}\nproperty float x\nproperty float y\n"
    head += f"property float z\nelement face {len(faces)}\nproperty list uchar int vertex_indices\n"
    rows = [" ".join(map(str, row)) for row in (xyz + [0, 0, 1]).tolist()]
    rows += [" ".join(map(str, [3, *face])) for face in faces.tolist()]
    plain = tmp_path / "room.ply"
    plain.write_text(head + "end_header\n" + "\n".join(rows) + "\n")
    standing = predict(plain, tmp_path / "standing.ply", capsys, "--up", "z", "--units", "m")
    assert main(["predict", str(path), "-m", "rooms", "--json"]) == 0
    (report,) = json.loads(capsys.readouterr().out)
    assert report["output"].endswith("room.labelled.ply") and report["points"] == len(xyz)
    said = " ".join(report["remarks"])
    assert "y is up, as the file's format has it" in said and "taken to be" not in said
    assert report["cells"] == standing["cells"]
    found, other = salanet.read(report["output"]), salanet.read(tmp_path / "standing.ply")
    assert np.array_equal(found.label, other.label)
    assert np.allclose(found.xyz, lying + [0, 1, 0])  # the axes of the file
    assert np.array_equal(triangles(found), faces)
    assert main(["predict", str(path), "-m", "rooms", "-o", str(tmp_path / "a.laz"), "--json"]) == 0
    said = " ".join(json.loads(capsys.readouterr().out)[0]["remarks"])
    assert "faces of the mesh are not kept" in said and "y stays up" in said
    assert main(["predict", str(path), "-m", "rooms", "-o", str(tmp_path / "a.glb")]) == 2
    assert "write to .ply, which keeps faces" in capsys.readouterr().err


def test_what_is_said_of_a_gltf(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("trimesh")
    xyz, faces = corner_room()
    made = Glb()
    lying = np.stack([xyz[:, 0], xyz[:, 2], -xyz[:, 1]], axis=1)
    label = np.array([0, 0, 0, 0, 1, 1, 1], np.float32)
    made.node(mesh=made.mesh(lying, faces.ravel(), _LABEL=label))
    path = made.write(tmp_path / "room.glb")
    assert main(["info", str(path), "--json"]) == 0
    (said,) = json.loads(capsys.readouterr().out)
    assert said["format"] == "GLB, 6 triangles" and said["points"] == 7
    assert main(["view", str(path), "--png", str(tmp_path / "room.png")]) == 0
    assert "y is up" in capsys.readouterr().err
    command = ["prepare", "files", str(path), str(tmp_path / "scenes"), "--grid", "0.1"]
    assert main([*command, "--classes", "floor=0,wall=1"]) == 0
    assert "1 file has y up, as the format has it" in "".join(capsys.readouterr())
    (scene,) = open_scenes(tmp_path / "scenes", "train")
    height = scene.coord[:, 2] + scene.offset[2]
    assert height.min() == pytest.approx(0, abs=1e-6) and height.max() == pytest.approx(2.5)
    assert scene.segment is not None
    assert (scene.segment[height > 2] == 1).all()
    assert (scene.segment[height < 0.01] == 0).mean() > 0.9
