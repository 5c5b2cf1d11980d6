"""Rooms with furniture, scanned: geometry, labels and colours all follow from one seed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from salanet.cloud import PointCloud
from salanet.datasets.rooms.arrange import furnish
from salanet.datasets.rooms.layout import KINDS, Room, shell
from salanet.datasets.rooms.materials import Rng
from salanet.datasets.rooms.primitives import Array, turn_z
from salanet.datasets.rooms.survey import survey
from salanet.datasets.rooms.walls import add_columns, build_walls, hang, open_walls
from salanet.datasets.s3dis import BENCHMARK, CLASS_OF
from salanet.errors import ConfigError

CLASSES = BENCHMARK.classes
COLOURS = BENCHMARK.colours
OFTEN = {"office": 4, "meeting": 2, "living": 2, "corridor": 2}
BEYOND = 12.0  # metres from the room's middle: what is seen farther off through windows goes


def generate(seed: int, points: int = 1_000_000, kind: str | None = None) -> PointCloud:
    """A scan of a random room; the same arguments give the same points.

    Args:
        seed: decides everything.
        points: the most it has; a room has about as many.
        kind: one of `KINDS`; None = a random one.

    Returns xyz in metres, rgb, label (index into `CLASSES`), and the attribute "scan" uint8, the
    number of the sensor's position. In some rooms all colours are 0, or the ceiling or the floor
    or a part is missing, as in real scans.

    Raises ConfigError: an unknown kind, or less than 1,000 points.
    """
    if kind is not None and kind not in KINDS:
        raise ConfigError(f"there is no room kind '{kind}'; there are {', '.join(KINDS)}")
    if points < 1000:
        raise ConfigError(f"a room needs at least 1,000 points, not {points}")
    rng = np.random.default_rng([seed, 0x5A1A])
    room = build(kind or _any_kind(rng), rng)
    scan = survey(room, points, rng)
    label = room.model.pack().label[scan.part]
    rows = _kept(scan.xyz, label, rng)
    if len(rows) > points:
        rows = np.sort(rng.choice(rows, points, replace=False))
    rgb = scan.rgb[rows]
    xyz, label = _mirrored(scan.xyz[rows], label[rows], rng)
    return PointCloud(
        xyz=_placed(xyz, rng),
        rgb=np.zeros_like(rgb) if rng.random() < 0.05 else rgb,
        label=label,
        attributes={"scan": scan.position[rows].astype(np.uint8)},
    )


def build(kind: str, rng: Rng) -> Room:
    """A furnished room of a kind, its floor's middle near the origin."""
    room = shell(kind, rng)
    add_columns(room, rng)
    holes = open_walls(room, rng)
    furnish(room, rng)
    hang(room, rng)
    build_walls(room, holes, rng)
    return room


def _any_kind(rng: Rng) -> str:
    weights = np.array([OFTEN.get(kind, 1) for kind in KINDS], float)
    return str(rng.choice(KINDS, p=weights / weights.sum()))


def _kept(xyz: Array, label: NDArray[np.int32], rng: Rng) -> NDArray[np.int64]:
    """Rows of the points that stay: scans lack ceilings, floors, or whole parts of a room."""
    keep = (np.abs(xyz) < BEYOND).all(axis=1)
    lacking = rng.random()
    if lacking < 0.12:
        keep &= label != CLASS_OF["ceiling"]
    elif lacking < 0.18:
        keep &= xyz[:, 2] < rng.uniform(1.6, 2.3)
    elif lacking < 0.22:
        keep &= label != CLASS_OF["floor"]
    if rng.random() < 0.15:  # only what lies on one side of a vertical plane
        angle = rng.uniform(0, 2 * np.pi)
        side = xyz[:, 0] * np.cos(angle) + xyz[:, 1] * np.sin(angle)
        keep &= side < rng.uniform(-0.5, 1.5)
    return np.flatnonzero(keep)


def _mirrored(xyz: Array, label: NDArray[np.int32], rng: Rng) -> tuple[Array, NDArray[np.int32]]:
    """At times a shiny floor mirrors some points: clutter below the room, so its lowest point says
    less about where the floor is."""
    if rng.random() > 0.08 or not len(xyz):
        return xyz, label
    xyz, label = xyz.copy(), label.copy()
    centre, radius = xyz[rng.integers(len(xyz)), :2], rng.uniform(0.5, 2)
    below = ((xyz[:, :2] - centre) ** 2).sum(axis=1) < radius**2
    below &= (xyz[:, 2] > 0.3) & (rng.random(len(xyz)) < rng.uniform(0.01, 0.1))
    xyz[below, 2] *= -1
    label[below] = CLASS_OF["clutter"]
    return xyz, label


def _placed(xyz: Array, rng: Rng) -> Array:
    """Turned about z (half the scans are aligned with their walls), and moved."""
    angle = rng.uniform(0, 2 * np.pi) if rng.random() < 0.5 else 0.0
    turned = np.einsum("ij,nj->ni", turn_z(angle), xyz)
    return turned + rng.uniform(-50, 50, 3) * [1, 1, 0.1]
