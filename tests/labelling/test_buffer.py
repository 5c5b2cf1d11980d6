"""Which files lie beside another one."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from salanet import write
from salanet.cloud import PointCloud
from salanet.labelling.buffer import neighbours_of


def test_neighbours_by_their_headers(tmp_path: Path) -> None:
    paths = [tmp_path / f"{i}.laz" for i in range(4)]
    corners = [(0, 0), (10, 0), (25, 0), (0, 10)]
    for path, (x, y) in zip(paths, corners, strict=True):
        write(path, PointCloud(np.array([[x, y, 5.0], [x + 10, y + 10, 900.0]])))
    assert neighbours_of(paths[0], paths, 1.0) == (paths[1], paths[3])
    assert neighbours_of(paths[2], paths, 6.0) == (paths[1],)
    assert neighbours_of(paths[2], paths, 4.9) == ()
    (tmp_path / "bad.laz").write_bytes(b"LASF")
    assert neighbours_of(paths[0], [tmp_path / "bad.laz", tmp_path / "a.ply"], 1e9) == ()
