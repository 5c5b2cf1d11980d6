"""OBJ by way of trimesh: the vertices of the file in its order, polygons as triangles."""

from __future__ import annotations

import io
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salanet.errors import FileError
from salanet.io.piece import Piece, bytes_of

# What begins a line, as trimesh wants it.
STARTS = re.compile(rb"^[ \t]*(v|vt|vn|f)[ \t]+", re.M)
# Corners that no vertex has, ones counted back from the last vertex above, and four or more.
ZERO = re.compile(rb"^f (?:[^\n]*[ \t])?0+(?=[/\s]|\Z)", re.M)
BACK = re.compile(rb"^f [^\n]*-\d", re.M)
MANY = re.compile(rb"^f (?:[ \t]*[^\s]+[ \t]+){3}[^\s]", re.M)
KINDS = (b"v", b"vt", b"vn")


def read(path: Path) -> Piece:
    """Raises FileError if the file has no vertices, or faces of vertices that are not there."""
    from trimesh.exchange.obj import load_obj
    from trimesh.resolvers import FilePathResolver

    data = STARTS.sub(rb"\1 ", path.read_bytes())
    if ZERO.search(data):
        raise FileError(path, "a face names the vertex 0: those of an OBJ count from 1")
    if BACK.search(data) or MANY.search(data):
        data = _plain(path, data)
    found = load_obj(io.BytesIO(data), resolver=FilePathResolver(str(path)), maintain_order=True)
    parts = list(found["geometry"].values()) if "geometry" in found else [found]
    # With the order kept, all materials have the vertices of the file, as far as they use them.
    xyz = max((part.get("vertices") for part in parts), key=_length, default=None)
    if xyz is None or not len(xyz):
        raise FileError(path, "holds no vertices")
    if xyz.shape[1] != 3:
        raise FileError(path, f"damaged: its vertices have {xyz.shape[1]} coordinates")
    triangles = [np.asarray(part["faces"]) for part in parts if "faces" in part]
    corners = np.concatenate([np.zeros((0, 3), np.int64), *triangles])
    return Piece(np.asarray(xyz, np.float64), corners, _colours(parts, len(xyz)), {})


def _length(array: NDArray[Any] | None) -> int:
    return 0 if array is None else len(array)


def _colours(parts: list[dict[str, Any]], count: int) -> NDArray[np.uint8] | None:
    """Those behind the vertices, else of textures and materials; None if there are none."""
    given = max((part.get("vertex_colors") for part in parts), key=_length)
    if given is not None and len(given) == count:
        return bytes_of(np.asarray(given)[:, :3])
    rgb = np.full((count, 3), 128, np.uint8)
    coloured = False
    for part in parts:
        visual = part.get("visual")
        if visual is None:
            continue
        found = visual.material.to_color(visual.uv) if visual.uv is not None else None
        used = np.unique(part["faces"])
        rgb[used] = visual.material.main_color[:3] if found is None else found[used, :3]
        coloured = True
    return rgb if coloured else None


def _plain(path: Path, data: bytes) -> bytes:
    """The file with polygons as fans of triangles, and all corners counted from its start."""
    seen = dict.fromkeys(KINDS, 0)
    lines = data.splitlines()
    for number, line in enumerate(lines):
        kind, *words = line.split() or [b""]
        if kind in seen:
            seen[kind] += 1
        elif kind == b"f":
            counts = list(seen.values())
            first, *rest = (_corner(path, number, word, counts) for word in words)
            fan = (b" ".join([b"f", first, *pair]) for pair in pairwise(rest))
            lines[number] = b"\n".join(fan)
    return b"\n".join(lines)


def _corner(path: Path, number: int, word: bytes, seen: list[int]) -> bytes:
    parts = word.split(b"/")
    for place, (text, count) in enumerate(zip(parts, seen, strict=False)):
        if text.startswith(b"-"):
            index = count + 1 + int(text)
            if index < 1:
                raise FileError(path, f"line {number + 1}: a face names a vertex before the first")
            parts[place] = b"%d" % index
    return b"/".join(parts)
