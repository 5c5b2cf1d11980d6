"""Rooms with furniture, scanned: geometry, labels and colours all follow from one seed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from salanet.cloud import PointCloud
from salanet.datasets.rooms.arrange import furnish
from salanet.datasets.rooms.hangings import add_columns, hang
from salanet.datasets.rooms.layout import KINDS, Room, shell
from salanet.datasets.rooms.materials import Rng
from salanet.datasets.rooms.primitives import Array, turn_z
from salanet.datasets.rooms.sensors import HANDHELD, MOBILE, SENSORS, VIEW
from salanet.datasets.rooms.survey import survey
from salanet.datasets.rooms.things import S3DIS, SCANNET, THING_OF
from salanet.datasets.rooms.walls import build_walls, open_walls
from salanet.datasets.s3dis import BENCHMARK
from salanet.errors import ConfigError

CLASSES = BENCHMARK.classes
COLOURS = BENCHMARK.colours
OFTEN: dict[str, float] = {
    "office": 5, "living": 4, "bedroom": 4, "kitchen": 2, "bathroom": 2, "meeting": 2,
    "corridor": 2,
}  # fmt: skip
# How often a sensor is drawn where none is asked for.
USUAL = {"tripod": 3, "mobile": 1.5, "handheld": 4, "photogrammetry": 1.5, "view": 1}
BEYOND = 12.0  # metres from the room's middle: what is seen farther off through windows goes


@dataclass(frozen=True)
class Scanned:
    """A scan of a room, and what it is.

    Attributes:
        cloud: as `generate` gives it.
        kind: of the room, one of `KINDS`.
        sensor: one of `SENSORS`.
        camera: (4, 4), takes the cloud's points to the coordinates of a single view's camera: x
            right, y down, z forward; None for other scans.
    """

    cloud: PointCloud
    kind: str
    sensor: str
    camera: Array | None = None

    @property
    def scannet(self) -> NDArray[np.int32]:
        """The class of each point among the twenty of ScanNet, -1 = ignored by its benchmark."""
        classes: NDArray[np.int32] = SCANNET[self.cloud.attributes["thing"]]
        return classes


def generate(
    seed: int, points: int = 1_000_000, kind: str | None = None, sensor: str | None = None
) -> PointCloud:
    """A scan of a random room; the same arguments give the same points.

    Args:
        seed: decides everything.
        points: the most it has; a room has about as many, a hand-held scan fewer.
        kind: one of `KINDS`; None = a random one.
        sensor: one of `SENSORS`; None = a random one.

    Returns xyz in metres with z up, rgb, label (index into `CLASSES`), and the attributes "scan"
    uint8, the number of the sensor's position, and "thing" uint8, index into `things.NAMES`. In
    some rooms all colours are 0, or the ceiling or the floor or a part is missing, as in real
    scans.

    Raises ConfigError: an unknown kind or sensor, or less than 1,000 points.
    """
    return scan_room(seed, points, kind, sensor).cloud


def scan_room(
    seed: int, points: int = 1_000_000, kind: str | None = None, sensor: str | None = None
) -> Scanned:
    """As `generate`, with what was scanned and how."""
    if kind is not None and kind not in KINDS:
        raise ConfigError(f"there is no room kind '{kind}'; there are {', '.join(KINDS)}")
    if sensor is not None and sensor not in SENSORS:
        raise ConfigError(f"there is no sensor '{sensor}'; there are {', '.join(SENSORS)}")
    if points < 1000:
        raise ConfigError(f"a room needs at least 1,000 points, not {points}")
    rng = np.random.default_rng([seed, 0x5A1A])
    kind = kind or any_kind(rng)
    room = build(kind, rng)
    drawn = any_sensor(rng)  # whatever is asked for, so that the room is the same
    sensor = sensor or drawn
    scan = survey(room, points, rng, sensor=sensor)
    thing = room.model.pack().thing[scan.part]
    rows = _kept(scan.xyz, thing, sensor, rng)
    if len(rows) > points:
        rows = np.sort(rng.choice(rows, points, replace=False))
    rgb = scan.rgb[rows]
    xyz, thing = _mirrored(scan.xyz[rows], thing[rows], rng)
    turn, shift = _placing(rng)
    colourless = rng.random() < (0.3 if sensor == MOBILE else 0.05)
    cloud = PointCloud(
        xyz=np.einsum("ij,nj->ni", turn, xyz) + shift,
        rgb=np.zeros_like(rgb) if colourless else rgb,
        label=S3DIS[thing],
        attributes={
            "scan": scan.position[rows].astype(np.uint8),
            "thing": thing.astype(np.uint8),
        },
    )
    camera = scan.camera
    if camera is not None:
        back = np.eye(4)
        back[:3, :3], back[:3, 3] = turn.T, -turn.T @ shift
        camera = camera @ back
    return Scanned(cloud, kind, sensor, camera)


def any_kind(rng: Rng, often: Mapping[str, float] = OFTEN) -> str:
    """A random kind of room; those that `often` does not name have a weight of 1."""
    return _any({kind: often.get(kind, 1) for kind in KINDS}, rng)


def any_sensor(rng: Rng, among: Iterable[str] = SENSORS) -> str:
    """A random sensor of some, as often as in `USUAL`."""
    return _any({name: USUAL[name] for name in among}, rng)


def build(kind: str, rng: Rng) -> Room:
    """A furnished room of a kind, its floor's middle near the origin."""
    room = shell(kind, rng)
    add_columns(room, rng)
    holes = open_walls(room, rng)
    furnish(room, rng)
    hang(room, rng)
    build_walls(room, holes, rng)
    return room


def _any(often: Mapping[str, float], rng: Rng) -> str:
    weights = np.array(list(often.values()), float)
    return str(rng.choice(list(often), p=weights / weights.sum()))


def _kept(xyz: Array, thing: NDArray[np.int32], sensor: str, rng: Rng) -> NDArray[np.int64]:
    """Rows of the points that stay: scans lack ceilings, floors, or whole parts of a room."""
    keep = (np.abs(xyz) < BEYOND).all(axis=1)
    if sensor == VIEW:  # it lacks enough as it is
        return np.flatnonzero(keep)
    lacking = rng.random()
    if lacking < (0.3 if sensor == HANDHELD else 0.12):
        keep &= thing != THING_OF["ceiling"]
    elif lacking < 0.36:
        keep &= xyz[:, 2] < rng.uniform(1.4, 2.4)
    elif lacking < 0.42:
        keep &= xyz[:, 2] > rng.uniform(0.02, 0.6)
    elif lacking < 0.45:
        keep &= thing != THING_OF["floor"]
    if rng.random() < 0.2:  # only what lies on one side of a vertical plane
        angle = rng.uniform(0, 2 * np.pi)
        side = xyz[:, 0] * np.cos(angle) + xyz[:, 1] * np.sin(angle)
        keep &= side < rng.uniform(-0.5, 1.5)
    return np.flatnonzero(keep)


def _mirrored(xyz: Array, thing: NDArray[np.int32], rng: Rng) -> tuple[Array, NDArray[np.int32]]:
    """At times a shiny floor mirrors some points: clutter below the room, so its lowest point says
    less about where the floor is."""
    if rng.random() > 0.08 or not len(xyz):
        return xyz, thing
    xyz, thing = xyz.copy(), thing.copy()
    centre, radius = xyz[rng.integers(len(xyz)), :2], rng.uniform(0.5, 2)
    below = ((xyz[:, :2] - centre) ** 2).sum(axis=1) < radius**2
    below &= (xyz[:, 2] > 0.3) & (rng.random(len(xyz)) < rng.uniform(0.01, 0.1))
    xyz[below, 2] *= -1
    thing[below] = THING_OF["clutter"]
    return xyz, thing


def _placing(rng: Rng) -> tuple[Array, Array]:
    """Turned about z (half the scans are aligned with their walls), and moved."""
    angle = rng.uniform(0, 2 * np.pi) if rng.random() < 0.5 else 0.0
    return turn_z(angle), rng.uniform(-50, 50, 3) * [1, 1, 0.1]
