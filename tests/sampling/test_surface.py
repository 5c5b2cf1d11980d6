"""Meshes: their faces as triangles, points on them, and what goes back to the vertices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

import salanet
from salanet.cloud import PointCloud
from salanet.errors import FileError
from salanet.io.faces import promises_faces, triangles
from salanet.sampling.surface import areas, sampled, spread_over_faces

SQUARE = np.array([[0.0, 0, 1], [2, 0, 1], [2, 2, 1], [0, 2, 1], [9, 9, 9]])
HEADER = """ply
format {format} 1.0
element vertex 5
property float x
property float y
property float z
property uchar red
property uchar green
property uchar blue
property int label
{extra}element face {faces}
property list uchar int vertex_indices
property uchar quality
end_header
"""
POINTS = "".join(
    f"{x:g} {y:g} {z:g} {c} {c} {c} {k}\n" for (x, y, z), c, k in zip(
        SQUARE, (0, 100, 200, 100, 50), (0, 0, 1, 1, 7), strict=True
    )
)  # fmt: skip


def ascii_mesh(path: Path, faces: list[str], extra: str = "", between: str = "") -> Path:
    head = HEADER.format(format="ascii", faces=len(faces), extra=extra)
    path.write_text(head + POINTS + between + "".join(f"{face} 1\n" for face in faces))
    return path


def binary_mesh(path: Path, faces: list[list[int]], order: str = "<") -> Path:
    kind = {"<": "binary_little_endian", ">": "binary_big_endian"}[order]
    row = np.dtype([("p", order + "f4", 3), ("c", "u1", 3), ("l", order + "i4")])
    points = np.zeros(5, row)
    points["p"], points["c"] = SQUARE, np.array([0, 100, 200, 100, 50])[:, None]
    points["l"] = [0, 0, 1, 1, 7]
    body = b"".join(
        bytes([len(face)]) + np.array(face, order + "i4").tobytes() + b"\x01" for face in faces
    )
    head = HEADER.format(format=kind, faces=len(faces), extra="").encode()
    path.write_bytes(head + points.tobytes() + body)
    return path


def test_polygons_become_fans(tmp_path: Path) -> None:
    wanted = [[0, 1, 2], [0, 2, 3], [0, 1, 2]]
    text = ascii_mesh(tmp_path / "a.ply", ["4 0 1 2 3", "3 0 1 2"])
    assert triangles(salanet.read(text), text).tolist() == wanted  # type: ignore[union-attr]
    for order in "<>":
        path = binary_mesh(tmp_path / "b.ply", [[0, 1, 2, 3], [0, 1, 2], [3, 1]], order)
        found = triangles(salanet.read(path), path)
        assert found is not None and found.tolist() == wanted  # a face of two corners is none


def test_elements_between_points_and_faces_are_skipped(tmp_path: Path) -> None:
    extra = "element edge 1\nproperty int a\nproperty int b\n"
    path = ascii_mesh(tmp_path / "a.ply", ["3 0 1 2"], extra, "0 1\n")
    assert triangles(salanet.read(path), path).tolist() == [[0, 1, 2]]  # type: ignore[union-attr]


def test_what_is_no_mesh_has_no_triangles(tmp_path: Path) -> None:
    cloud = PointCloud(SQUARE)
    assert triangles(cloud) is None
    salanet.write(tmp_path / "points.ply", cloud)
    assert triangles(salanet.read(tmp_path / "points.ply")) is None
    assert triangles(salanet.read(ascii_mesh(tmp_path / "a.ply", []))) is None


def test_a_face_without_its_vertex(tmp_path: Path) -> None:
    path = ascii_mesh(tmp_path / "a.ply", ["3 0 1 5"])
    with pytest.raises(FileError, match="names a vertex that is none of the 5"):
        triangles(salanet.read(path), path)


def test_areas() -> None:
    corners = np.array([[0, 1, 2], [0, 1, 1], [0, 1, 4]])
    xyz = SQUARE.copy()
    assert areas(xyz, corners[:2]) == pytest.approx([2.0, 0.0])
    xyz[4] = np.nan
    assert areas(xyz, corners).tolist() == [2.0, 0.0, 0.0]


@settings(max_examples=30, deadline=None)
@given(spacing=st.floats(0.02, 0.5), stretch=st.floats(0.2, 5))
def test_points_are_where_the_area_is(spacing: float, stretch: float) -> None:
    """As many as the density asks for, each triangle its share, all of them on the surface."""
    xyz = SQUARE * [stretch, 1, 1]
    corners = np.array([[0, 1, 2], [0, 2, 3], [1, 1, 2]])
    cloud = PointCloud(xyz)
    found = sampled(cloud, corners, spacing)
    assert np.array_equal(found.xyz[:5], xyz)
    points = found.xyz[5:]
    assert len(points) == round(4 * stretch / spacing**2)
    assert np.abs(points[:, 2] - 1).max(initial=0) < 1e-12
    assert (points[:, :2] >= -1e-9).all() and (points[:, :2] <= [2 * stretch, 2 + 1e-9]).all()
    below = points[:, 1] * stretch < points[:, 0]
    assert abs(int(below.sum()) - len(points) / 2) <= 1.5
    assert np.array_equal(found.xyz, sampled(cloud, corners, spacing).xyz)


def test_points_are_spread_evenly() -> None:
    found = sampled(PointCloud(SQUARE), np.array([[0, 1, 2], [0, 2, 3]]), 0.02)
    counts = np.histogram2d(found.xyz[5:, 0], found.xyz[5:, 1], bins=10, range=[[0, 2], [0, 2]])[0]
    assert counts.min() > 85 and counts.max() < 115  # 100 each


def test_what_points_have_follows_from_their_corners() -> None:
    colour = np.array([0, 100, 200, 100, 50], np.uint8)
    cloud = PointCloud(
        SQUARE,
        rgb=np.repeat(colour[:, None], 3, axis=1),
        intensity=SQUARE[:, 0].astype(np.float32),
        label=np.array([0, 0, 1, 1, 7], np.int32),
        attributes={"depth": SQUARE[:, 1] * 2, "number": np.arange(5, dtype=np.int16)},
        class_names={1: "one"},
    )
    found = sampled(cloud, np.array([[0, 1, 2], [0, 2, 3]]), 0.05)
    points = found.xyz[5:]
    assert found.rgb is not None and found.intensity is not None and found.label is not None
    assert np.abs(found.rgb[5:, 0] - 50 * points[:, :2].sum(axis=1)).max() <= 0.51
    assert found.intensity[5:] == pytest.approx(points[:, 0], abs=1e-6)
    assert found.attributes["depth"][5:] == pytest.approx(2 * points[:, 1])
    apart = np.linalg.norm(points[:, None] - SQUARE[None, :4], axis=2)
    near = apart.min(axis=1) < 0.5
    assert np.array_equal(found.attributes["number"][5:][near], apart.argmin(axis=1)[near])
    assert np.array_equal(found.label[5:], cloud.label[found.attributes["number"][5:]])  # type: ignore[index]
    assert found.label[:5].tolist() == [0, 0, 1, 1, 7] and found.class_names == {1: "one"}


def test_never_more_than_so_many() -> None:
    corners = np.array([[0, 1, 2]])
    assert len(sampled(PointCloud(SQUARE), corners, 0.001, most=500)) == 505
    assert len(sampled(PointCloud(SQUARE), np.array([[0, 1, 1]]), 0.1)) == 5


def test_faces_are_known_from_the_header(tmp_path: Path) -> None:
    assert promises_faces(ascii_mesh(tmp_path / "a.ply", ["3 0 1 2"]))
    assert not promises_faces(ascii_mesh(tmp_path / "b.ply", []))
    salanet.write(tmp_path / "c.ply", PointCloud(SQUARE))
    assert not promises_faces(tmp_path / "c.ply") and not promises_faces(tmp_path / "d.las")


def test_so_many_points_over_the_faces(tmp_path: Path) -> None:
    path = binary_mesh(tmp_path / "a.ply", [[0, 1, 2, 3]])
    found = spread_over_faces(salanet.read(path), 1000, path)
    assert len(found) == 1005
    apart = cKDTree(found.xyz[5:]).query(found.xyz[5:], k=2)[0][:, 1]
    assert 0.5 < np.median(apart) / np.sqrt(4 / 1000) < 1.2
    cloud = PointCloud(SQUARE)
    assert spread_over_faces(cloud, 1000, path) is cloud
