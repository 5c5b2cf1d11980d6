"""Small files to edit."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import salanet
from salanet.cloud import PointCloud

CODES = (2, 5, 6)
ORIGIN = np.array([650_000.0, 6_860_000.0, 50.0])


def cloud(count: int = 4000) -> PointCloud:
    """Points all over a square of 40 by 40, at large coordinates; the west is 2, the east 5."""
    rng = np.random.default_rng(count)
    xyz = np.floor(rng.random((count, 3)) * [40, 40, 4] * 1000) / 1000
    label = np.where(xyz[:, 0] < 20, 2, 5).astype(np.int32)
    label[::7] = 6
    values = {"note": rng.integers(0, 9, count).astype(np.uint8)}
    return PointCloud(xyz + ORIGIN, label=label, attributes=values)


def saved(path: Path, made: PointCloud) -> Path:
    salanet.write(path, made)
    return path
