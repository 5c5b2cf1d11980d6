"""Lists at the points of a PLY."""

from __future__ import annotations

from pathlib import Path

import pytest

from salanet import io
from salanet.errors import FileError
from salanet.io import plylists

PROPERTIES = [("x", "f4", None), ("near", "i4", "u1")]


def test_rows() -> None:
    assert plylists.shortest_row(PROPERTIES) == 5
    row = plylists.row_of(PROPERTIES, {1: 3}, "<")
    assert row.itemsize == 4 + 1 + 3 * 4 and list(row.names) == ["v0", "n1", "v1"]


def test_lists_that_promise_more_rows_than_there_are_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.ply"
    header = (
        "ply\nformat binary_little_endian 1.0\nelement vertex 4294967295\nproperty float x\n"
        "property float y\nproperty float z\nproperty list uchar int near\nend_header\n"
    )
    path.write_bytes(header.encode() + bytes(26))
    with pytest.raises(FileError, match=r"a\.ply: cut short: the header promises 4294967295"):
        io.read(path)
