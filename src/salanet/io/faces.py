"""The faces of a PLY: a mesh is a surface, of which its vertices alone are a poor sample."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from salanet.cloud import PointCloud
from salanet.errors import FileError
from salanet.io.ply import HEADER_LIMIT, ORDERS, Body, Element, PlySource, parse_header
from salanet.io.plylists import Lists

FACES = "face"
CORNERS = ("vertex_indices", "vertex_index")


def has_faces(cloud: PointCloud) -> bool:
    """Whether a cloud was read with faces of its points."""
    header = cloud.source.header if isinstance(cloud.source, PlySource) else []
    words = [line.split() for line in header]
    return any(w[:2] == ["element", FACES] and w[2:] != ["0"] for w in words)


def promises_faces(path: Path) -> bool:
    """Whether a file is a PLY whose header promises faces of its points."""
    if path.suffix.lower() != ".ply":
        return False
    with path.open("rb") as file:
        data = file.read(HEADER_LIMIT + 64)
    _, _, elements, _ = parse_header(path, data)
    return any(e.name == FACES and e.count and _corner_name(e) for e in elements)


def triangles(cloud: PointCloud, where: Path | str = "mesh") -> NDArray[np.int64] | None:
    """The faces of a mesh as triangles: rows of the cloud (T, 3); polygons become fans.

    None for a cloud that was not read from a PLY with faces, or whose points are no longer those
    that its faces name.

    Raises FileError: faces name vertices that do not exist, or the file ends before its last face.
    """
    source = cloud.source
    if not isinstance(source, PlySource) or len(source.table) != len(cloud):
        return None
    path = Path(where)
    head = "\n".join(["ply", f"format {source.encoding} 1.0", *source.header, "end_header", ""])
    _, _, elements, _ = parse_header(path, head.encode("latin-1"))
    lists = _corners(path, source, elements)
    if lists is None or not len(lists.counts):
        return None
    found = _fans(lists)
    if len(found) and not (found.min() >= 0 and found.max() < len(cloud)):
        raise FileError(path, f"a face names a vertex that is none of the {len(cloud):,}")
    return found


def unkept(cloud: PointCloud, to: Path) -> list[str]:
    """What a mesh loses in a file that is no PLY, one line each."""
    suffix = to.suffix.lower()
    said = []
    if has_faces(cloud) and suffix != ".ply":
        said.append(f"the faces of the mesh are not kept: {suffix} has no place for them, .ply has")
    if cloud.y_up and suffix in (".las", ".laz"):
        said.append("y stays up, though programs take z to be up in a LAS file")
    return said


def _corners(path: Path, source: PlySource, elements: list[Element]) -> Lists | None:
    """The corners of all faces; None if there are no faces."""
    names = [element.name for element in elements]
    if FACES not in names:
        return None
    points, face = names.index(source.element), names.index(FACES)
    first, data = (0, source.before) if face < points else (points + 1, source.after)
    body = Body(path, data, 0, ORDERS[source.encoding])
    for element in elements[first:face]:
        body.skip(element)
    columns = body.read(elements[face])
    named = _corner_name(elements[face])
    return columns[named] if named else None


def _corner_name(face: Element) -> str | None:
    """The list of corners among the properties of faces."""
    return next((n for n, _, length in face.properties if n in CORNERS and length), None)


def _fans(lists: Lists) -> NDArray[np.int64]:
    """Triangles (T, 3) of polygons: their first corner, and each two that follow each other."""
    counts = lists.counts.astype(np.int64)
    values = lists.values.astype(np.int64)
    start = np.cumsum(counts) - counts
    each = np.maximum(counts - 2, 0)
    first = np.repeat(start, each)
    step = np.arange(each.sum()) - np.repeat(np.cumsum(each) - each, each)
    return np.stack([values[first], values[first + step + 1], values[first + step + 2]], axis=1)
