"""Meshes on the command line: seen on their surface, labelled at their vertices."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import salanet
from salanet.cli.main import main
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
