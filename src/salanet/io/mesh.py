"""Meshes of OBJ, GLB and glTF, input only: the vertices as points, the faces beside them.

| field     | OBJ                                    | glTF                                        |
|-----------|----------------------------------------|---------------------------------------------|
| xyz       | v                                      | POSITION, moved by the nodes that hold it   |
| rgb       | colours behind v, else those of the    | texture or colour of the material, else     |
|           | texture or material (.mtl)             | COLOR_0                                     |
| label     |                                        | _LABEL, or another name of `table.NAMES`    |
| others    |                                        | further attributes with a leading underscore|

glTF is in metres with y up, by its definition; OBJ says neither. Coordinates stay what they are. To
everything behind this module such a cloud is that of a PLY with faces, so they are written as one;
polygons are triangles by then. Needs the extra `mesh`. Sources: the specification of glTF 2.0, and
that of OBJ by Wavefront.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salanet.cloud import PointCloud
from salanet.errors import FileError, MissingExtraError
from salanet.io import table
from salanet.io.limits import check_unpacked
from salanet.io.piece import UNSAID, Piece, Standing
from salanet.io.ply import PlySource, declared

GREY = 128  # of parts without colours beside others that have some
COLOURS = ("red", "green", "blue")


@dataclass
class MeshSource(PlySource):
    """A PLY that never was a file.

    Attributes:
        parts: how many pieces it is made of.
        triangles: how many faces it has.
        standing: of the coordinates.
        said: what could not be read as it is, one line each.
    """

    parts: int = 1
    triangles: int = 0
    standing: Standing = UNSAID
    said: list[str] = field(default_factory=list)

    @property
    def y_up(self) -> bool:
        """Whether the format says that y points up."""
        return self.standing.y_up

    @property
    def metric(self) -> bool:
        """Whether the format says that coordinates are metres."""
        return self.standing.metric

    @property
    def remarks(self) -> list[str]:
        """What was decided, or cannot be used, one line each."""
        return self.said

    def without_points(self) -> Standing:
        """What it says of any points."""
        return self.standing


def read(path: Path, columns: str | None = None) -> PointCloud:
    """The vertices of all parts, one after the other.

    Raises:
        FileError: the file is damaged, or holds what cannot be read.
        MissingExtraError: the package trimesh is not installed.
    """
    if columns is not None:
        raise FileError(path, f"a {path.suffix} names its own fields; leave columns out")
    try:
        import trimesh  # noqa: F401
    except ImportError:
        raise MissingExtraError("trimesh", "mesh", f"reading {path.suffix}") from None
    if path.suffix.lower() == ".obj":
        from salanet.io import obj

        return assembled(path, [obj.read(path)], UNSAID, [])
    from salanet.io import gltf

    return assembled(path, *gltf.read(path))


def assembled(path: Path, pieces: list[Piece], standing: Standing, said: list[str]) -> PointCloud:
    """One cloud of all pieces, with their triangles as the faces of a PLY."""
    count = sum(len(piece.xyz) for piece in pieces)
    if not count:
        raise FileError(path, "holds no mesh")
    check_unpacked(path, 24 * count)  # a small file may place a mesh many times
    xyz = np.concatenate([piece.xyz for piece in pieces])
    found: dict[str, NDArray[Any]] = dict(zip("xyz", xyz.T.copy(), strict=True))
    rgb, remarks = _colours(pieces)
    if rgb is not None:
        found |= dict(zip(COLOURS, rgb.T.copy(), strict=True))
    for name in pieces[0].arrays:
        if name not in found and all(name in piece.arrays for piece in pieces):
            found[name] = np.concatenate([piece.arrays[name] for piece in pieces])
    cloud, columns = table.to_cloud(path, found)
    first = np.cumsum([0, *(len(piece.xyz) for piece in pieces)])
    triangles = np.concatenate(
        [piece.triangles + start for piece, start in zip(pieces, first, strict=False)]
    )
    for piece in pieces:
        corners = piece.triangles
        if len(corners) and not (corners.min() >= 0 and corners.max() < len(piece.xyz)):
            raise FileError(path, f"a face names a vertex that is none of the {len(piece.xyz):,}")
    properties = [declared(name, column) for name, column in found.items()]
    faces = [f"element face {len(triangles)}", "property list uchar int vertex_indices"]
    cloud.source = MeshSource(
        "binary_little_endian",
        [f"element vertex {count}", *properties, *(faces if len(triangles) else [])],
        b"",
        _packed(triangles),
        columns,
        parts=len(pieces),
        triangles=len(triangles),
        standing=standing,
        said=[*said, *remarks],
    )
    return cloud


def with_z_up(cloud: PointCloud) -> PointCloud:
    """The cloud, turned in place where its format says that y is up."""
    if cloud.y_up:
        x, y, z = cloud.xyz.T
        cloud.xyz = np.stack([x, -z, y], axis=1)
    return cloud


def _colours(pieces: list[Piece]) -> tuple[NDArray[np.uint8] | None, list[str]]:
    """The colours (N, 3) of all; None where they tell nothing, and what to say of it."""
    if all(piece.rgb is None for piece in pieces):
        return None, []
    parts = [
        np.full((len(piece.xyz), 3), GREY, np.uint8) if piece.rgb is None else piece.rgb
        for piece in pieces
    ]
    rgb = np.concatenate(parts)
    if (rgb == rgb[0]).all():
        return None, ["one colour all over, which is not taken for colours"]
    without = sum(piece.rgb is None for piece in pieces)
    said = [f"{without:,} of its {len(pieces):,} parts have no colours: they are grey"]
    return rgb, said if without else []


def _packed(triangles: NDArray[np.int64]) -> bytes:
    rows = np.empty(len(triangles), [("count", "u1"), ("corners", "<i4", 3)])
    rows["count"], rows["corners"] = 3, triangles
    return rows.tobytes()
