"""glTF 2.0 by way of trimesh, binary (GLB) or as JSON with files beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salanet.errors import FileError
from salanet.io.limits import check_unpacked
from salanet.io.piece import Piece, Standing, bytes_of

STANDING = Standing(y_up=True, metric=True)
TRIANGLES, STRIP = 4, 5  # modes of primitives that are surfaces, and read
SHAPES = {0: "points", 1: "lines", 2: "lines", 3: "lines", 6: "fans of triangles"}
# Extensions that a file may require without its shape depending on them.
HARMLESS = (
    "KHR_materials_",
    "KHR_texture_",
    "EXT_texture_",
    "KHR_lights_",
    "KHR_mesh_quantization",
)
REPEATING = "EXT_mesh_gpu_instancing"
COMPRESSED = ("KHR_draco_mesh_compression", "EXT_meshopt_compression", "KHR_meshopt_compression")
SIZES = {5120: 1, 5121: 1, 5122: 2, 5123: 2, 5125: 4, 5126: 4}  # bytes of component types
WIDEST = 16  # components of an element


def read(path: Path) -> tuple[list[Piece], Standing, list[str]]:
    """The parts of the file's scene, where its nodes put them, and what is left out.

    Raises FileError: another version, compressed or sparse data, a damaged file.
    """
    from trimesh.exchange.gltf import load_glb, load_gltf
    from trimesh.resolvers import FilePathResolver

    binary = path.read_bytes()[:4] == b"glTF"
    said = _check(path, _header(path, binary))
    load = load_glb if binary else load_gltf
    try:
        with path.open("rb") as file:
            found = load(file, resolver=FilePathResolver(str(path)))
    except FileNotFoundError as error:
        raise FileError(
            path, f"a file that belongs to it is missing: {error.filename or error}"
        ) from None
    places = _places(path, found["graph"], found["base_frame"])
    pieces = [
        _piece(path, found["geometry"][edge["geometry"]], places[edge["frame_to"]])
        for edge in found["graph"]
        if "geometry" in edge
    ]
    return [piece for piece in pieces if piece is not None], STANDING, said


def _header(path: Path, binary: bool) -> dict[str, Any]:
    data = path.read_bytes()
    if binary:
        data = data[20 : 20 + int.from_bytes(data[12:16], "little")]
    header = json.loads(data)
    if not isinstance(header, dict):
        raise FileError(path, "damaged, or no glTF: its JSON is no object")
    return header


def _check(path: Path, header: dict[str, Any]) -> list[str]:
    """Refuse what trimesh would read wrongly; what it leaves out, in a line each."""
    version = str(header.get("asset", {}).get("version", ""))
    if not version.startswith("2."):
        raise FileError(path, f"is glTF {version or 'without a version'}; only version 2 is read")
    for name in header.get("extensionsRequired", []):
        if name in COMPRESSED:
            raise FileError(path, f"is compressed ({name}): write it again without compression")
        if not name.startswith(HARMLESS):
            raise FileError(path, f"needs the extension {name}, which is not read")
    if REPEATING in header.get("extensionsUsed", []):
        raise FileError(path, f"places parts by {REPEATING}, which is not read: export real nodes")
    accessors = header.get("accessors", [])
    for accessor in accessors:
        if "sparse" in accessor or "bufferView" not in accessor:
            raise FileError(path, "has sparse data, which is not read: export it without")
        size = SIZES.get(accessor.get("componentType"), 4)
        check_unpacked(path, int(accessor["count"]) * size * WIDEST)
    primitives = [p for mesh in header.get("meshes", []) for p in mesh["primitives"]]
    for primitive in primitives:
        position = accessors[primitive["attributes"]["POSITION"]]
        if position.get("normalized"):
            raise FileError(path, "its coordinates are quantised fractions, which are not read")
    others = [p.get("mode", TRIANGLES) for p in primitives]
    left = [SHAPES.get(mode, str(mode)) for mode in others if mode not in (TRIANGLES, STRIP)]
    return [
        f"{left.count(kind):,} parts of {kind} are left out: no surface that is read"
        for kind in sorted(set(left))
    ]


def _places(path: Path, graph: Any, base: str) -> dict[str, NDArray[np.float64]]:
    """Where each node is, (4, 4), by its name."""
    edges = {edge["frame_to"]: edge for edge in graph}
    places: dict[str, NDArray[np.float64]] = {base: np.eye(4)}
    for name in edges:
        chain = []
        while name not in places:
            if name not in edges or name in chain:
                raise FileError(path, f"damaged: its nodes are no tree at '{name}'")
            chain.append(name)
            name = edges[name]["frame_from"]
        for child in reversed(chain):
            parent = places[edges[child]["frame_from"]]
            places[child] = parent @ edges[child]["matrix"]
    return places


def _piece(path: Path, part: dict[str, Any], place: NDArray[np.float64]) -> Piece | None:
    """A part as it stands in the scene; None if it is no surface."""
    if "faces" not in part:
        return None
    local = np.asarray(part["vertices"], np.float64)
    if local.ndim != 2 or local.shape[1] != 3:
        raise FileError(path, "damaged: coordinates that are no triples")
    arrays = {
        name.removeprefix("_").lower(): np.asarray(values).ravel()
        for name, values in part.get("vertex_attributes", {}).items()
        if np.size(values) == len(local)
    }
    whole = {name: _whole(name, values) for name, values in arrays.items()}
    xyz = local @ place[:3, :3].T + place[:3, 3]
    return Piece(xyz, np.asarray(part["faces"], np.int64), _colours(part), whole)


def _whole(name: str, values: NDArray[Any]) -> NDArray[Any]:
    """Labels as whole numbers: some programs write floats alone."""
    if name in ("label", "class", "classification") and values.dtype.kind == "f":
        rounded = values.astype(np.int32)
        return rounded if (rounded == values).all() else values
    return values


def _colours(part: dict[str, Any]) -> NDArray[np.uint8] | None:
    """Of the texture, else of the vertices, else of the material; (N, 3), or None."""
    count, visual = len(part["vertices"]), part.get("visual")
    if (
        visual is not None
        and visual.uv is not None
        and getattr(visual.material, "baseColorTexture", None) is not None
    ):
        return np.asarray(visual.material.to_color(visual.uv)[:, :3], np.uint8)
    given = part.get("vertex_colors")
    if given is None and visual is not None:
        given = visual.vertex_attributes.get("color")
    if given is not None and len(given) == count:
        return bytes_of(np.asarray(given)[:, :3])
    if visual is None:
        return None
    return np.tile(np.asarray(visual.material.main_color[:3], np.uint8), (count, 1))
