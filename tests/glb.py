"""GLB files made by hand, part by part."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

COMPONENTS = {"f4": 5126, "u4": 5125, "u2": 5123, "u1": 5121}
TYPES = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4"}
SQUARE = np.array([[0, 0, 0], [1, 0, 0], [1, 0, 1], [0, 0, 1]], np.float32)
HALVES = np.array([0, 2, 1, 0, 3, 2], np.uint16)


class Glb:
    """A file in the making: `header` is its JSON, to be changed at will."""

    def __init__(self) -> None:
        self.binary = b""
        self.header: dict[str, Any] = {
            "asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": []}], "nodes": [],
            "meshes": [], "accessors": [], "bufferViews": [], "buffers": [{}],
        }  # fmt: skip

    def add(self, key: str, entry: dict[str, Any]) -> int:
        self.header.setdefault(key, []).append(entry)
        return len(self.header[key]) - 1

    def view(self, data: bytes) -> int:
        self.binary += b"\0" * (-len(self.binary) % 4)
        at = len(self.binary)
        self.binary += data
        return self.add("bufferViews", {"buffer": 0, "byteOffset": at, "byteLength": len(data)})

    def array(self, values: NDArray[Any], **more: Any) -> int:
        width = values.shape[1] if values.ndim == 2 else 1
        accessor = {
            "bufferView": self.view(values.tobytes()), "count": len(values),
            "componentType": COMPONENTS[values.dtype.str[1:]], "type": TYPES[width],
        }  # fmt: skip
        return self.add("accessors", accessor | more)

    def mesh(self, xyz: NDArray[Any] = SQUARE, corners: NDArray[Any] = HALVES, **more: Any) -> int:
        """A mesh of one part; `more` are attributes by name, arrays, or members of the part."""
        found = {n: v for n, v in more.items() if isinstance(v, np.ndarray)}
        attributes = {"POSITION": self.array(xyz)}
        attributes |= {name: self.array(values) for name, values in found.items()}
        part = {"attributes": attributes, "indices": self.array(corners)}
        part |= {n: v for n, v in more.items() if n not in found}
        return self.add("meshes", {"primitives": [part]})

    def node(self, root: bool = True, **members: Any) -> int:
        number = self.add("nodes", members)
        if root:
            self.header["scenes"][0]["nodes"].append(number)
        return number

    def write(self, path: Path) -> Path:
        self.header["buffers"][0]["byteLength"] = len(self.binary)
        text = json.dumps(self.header).encode()
        text += b" " * (-len(text) % 4)
        data = self.binary + b"\0" * (-len(self.binary) % 4)
        chunks = struct.pack("<II", len(text), 0x4E4F534A) + text
        chunks += struct.pack("<II", len(data), 0x004E4942) + data
        path.write_bytes(b"glTF" + struct.pack("<II", 2, 12 + len(chunks)) + chunks)
        return path


def square(path: Path, **more: Any) -> Path:
    """A file of one square metre on the floor."""
    made = Glb()
    made.node(mesh=made.mesh(**more))
    return made.write(path)
