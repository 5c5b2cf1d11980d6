"""Indoor-like scans for the benchmarks: floors, walls, ceilings and boxes for furniture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SPACING = 0.04  # metres, the grid of the paper's indoor networks
HEIGHT = 2.8
NOISE = 0.004
FLOOR, CEILING, WALL, FURNITURE = range(4)
COLOURS = np.array([[140, 110, 80], [230, 230, 225], [200, 195, 180], [90, 70, 120]])

Scan = tuple[NDArray[np.float32], NDArray[np.uint8], NDArray[np.int32]]


def raw_scan(points: int, seed: int, per_cell: float = 8) -> Scan:
    """What a scanner delivers: ``points`` random points on the surfaces of a storey, about
    ``per_cell`` of them in each occupied cell of 4 cm.

    Returns:
        xyz float32 (N, 3) in metres, rgb uint8 (N, 3), label int32 (N,).
    """
    rng = np.random.default_rng(seed)
    # Surface per square metre of floor, furniture included, is about 3.5 m²; noise makes a
    # square metre touch about 1.4 times the cells it would fill.
    floor = points / per_cell * SPACING**2 / 1.4 / 3.5
    corners, edges_u, edges_v, labels = _surfaces(max(floor, 0.5), rng)
    areas = np.linalg.norm(np.cross(edges_u, edges_v), axis=1)
    chosen = rng.choice(len(areas), size=points, p=areas / areas.sum())
    u, v = rng.random((2, points, 1))
    # Off the grid: a surface on the border of two layers of cells would be counted in both.
    xyz = (
        np.array([0.013, 0.017, 0.02]) + corners[chosen] + u * edges_u[chosen] + v * edges_v[chosen]
    )
    xyz += rng.normal(0, NOISE, xyz.shape)
    label = labels[chosen]
    rgb = COLOURS[label] + rng.normal(0, 8, (points, 3))
    return xyz.astype(np.float32), rgb.clip(0, 255).astype(np.uint8), label.astype(np.int32)


def indoor_scan(points: int, seed: int = 0) -> Scan:
    """Exactly ``points`` points of such a scan, subsampled to one per cell of 4 cm.

    The points are those nearest the middle of the storey, shuffled, as :func:`raw_scan` returns.
    """
    dense = 6
    xyz, rgb, label = raw_scan(int(points * dense * 1.5) + 1000, seed, dense)
    cell = np.floor(xyz / SPACING).astype(np.int64) + (1 << 20)
    key = (cell[:, 2] << 42) | (cell[:, 1] << 21) | cell[:, 0]
    _, first, inverse, counts = np.unique(
        key, return_index=True, return_inverse=True, return_counts=True
    )
    if len(first) < points:
        raise ValueError(f"only {len(first)} cells for {points} points")
    means = [np.bincount(inverse, xyz[:, axis]) / counts for axis in range(3)]
    xyz = np.stack(means, axis=1).astype(np.float32)
    middle = np.linalg.norm(xyz[:, :2] - xyz[:, :2].mean(axis=0), axis=1)
    kept = np.argpartition(middle, points - 1)[:points]
    np.random.default_rng(seed).shuffle(kept)
    return xyz[kept], rgb[first][kept], label[first][kept]


def _surfaces(floor: float, rng: np.random.Generator) -> tuple[NDArray[np.float64], ...]:
    """Parallelograms (corner, edge, edge, label) of rooms in a row of rows, ``floor`` m² in all."""
    side = np.sqrt(floor)
    rooms = max(1, round(side / 5))
    size = side / rooms
    faces: list[tuple[list[float], list[float], list[float], int]] = []
    for row in range(rooms):
        for column in range(rooms):
            x, y = column * size, row * size
            across, along, up = [size, 0.0, 0.0], [0.0, size, 0.0], [0.0, 0.0, HEIGHT]
            faces += [
                ([x, y, 0.0], across, along, FLOOR),
                ([x, y, HEIGHT], across, along, CEILING),
                ([x, y, 0.0], across, up, WALL),
                ([x, y, 0.0], along, up, WALL),
                ([x + size, y, 0.0], along, up, WALL),
            ]
            for _ in range(max(1, round(size * size / 4))):
                w, d, h = rng.uniform(0.3, 1.2, 3) * min(1.0, size / 2)
                bx, by = x + rng.uniform(0, size - w), y + rng.uniform(0, size - d)
                angle = rng.uniform(0, np.pi)
                e = [w * np.cos(angle), w * np.sin(angle), 0.0]
                f = [-d * np.sin(angle), d * np.cos(angle), 0.0]
                g = [0.0, 0.0, h]
                corner = [bx, by, 0.0]
                faces += [
                    (corner, e, g, FURNITURE),
                    (corner, f, g, FURNITURE),
                    ([bx + e[0], by + e[1], 0.0], f, g, FURNITURE),
                    ([bx + f[0], by + f[1], 0.0], e, g, FURNITURE),
                    ([bx, by, h], e, f, FURNITURE),
                ]
    corners, us, vs, labels = zip(*faces, strict=True)
    return np.array(corners), np.array(us), np.array(vs), np.array(labels)
