"""The shell of a room: an outline, its walls with doors and windows, floor, ceiling, beams."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from salanet.datasets.rooms import materials
from salanet.datasets.rooms.materials import Rng
from salanet.datasets.rooms.primitives import Array, Model, Paint, turn_x

KINDS = (
    "office", "meeting", "corridor", "lobby", "living", "classroom", "storage", "hall",
    "kitchen", "bedroom", "bathroom",
)  # fmt: skip
OFTEN: dict[str, float] = {
    "office": 5, "living": 4, "bedroom": 4, "kitchen": 2, "bathroom": 2, "meeting": 2,
    "corridor": 2,
}  # fmt: skip
SIDES = {  # metres, shorter and longer
    "office": ((2.6, 5), (3.2, 8)),
    "meeting": ((3.5, 6.5), (4.5, 10)),
    "corridor": ((1.4, 3), (7, 18)),
    "lobby": ((5, 9), (6, 13)),
    "living": ((3, 5.5), (4, 8)),
    "classroom": ((5, 8), (6, 11)),
    "storage": ((2, 4), (2.5, 6)),
    "hall": ((6, 11), (8, 16)),
    "kitchen": ((2.2, 4), (3, 6)),
    "bedroom": ((2.6, 4.5), (3, 5.5)),
    "bathroom": ((1.5, 3), (2, 5)),
}
HEIGHTS = {"hall": (3.0, 4.5), "lobby": (2.7, 4.5), "corridor": (2.3, 3.2)}
TALL = 4.6  # metres: no ceiling is higher


@dataclass(frozen=True)
class Edge:
    """A wall seen from inside: from `start` along `along` (2,), the room towards `inward`.

    Attributes:
        outer: the whole room lies on one side of it, so what is behind can be seen by doors.
        corners: whether the room is convex at its start and at its end.
        shared: another room of a storey is behind it.
    """

    start: Array
    along: Array
    inward: Array
    length: float
    outer: bool
    corners: tuple[bool, bool]
    shared: bool = False

    @property
    def yaw(self) -> float:
        """Turns a model so that its front (+y) looks into the room, its back to the wall."""
        return float(np.arctan2(self.inward[1], self.inward[0]) - np.pi / 2)

    def at(self, s: float, inside: float = 0.0) -> Array:
        """The point (2,) `s` along the wall and `inside` metres into the room."""
        return self.start + s * self.along + inside * self.inward


@dataclass
class Room:
    """A room while it is being furnished.

    Attributes:
        outline: (n, 2) corners of the floor, counter-clockwise. height: of the ceiling.
        model: all parts. taken: convex outlines (k, 2) of what stands there.
        used: stretches of walls that hold something: (edge, start, stop, bottom, top).
        lights: (3,) places of lamps and windows.
        tops: where things may lie: corners (3,) of a level rectangle, its model's place and yaw.
        margin: how far floor and ceiling go on below and above the walls, in metres.
        rooms, doors: of a storey: its rooms, and the ways between them: the numbers of two and the
            middle (2,) of the door.
    """

    kind: str
    outline: Array
    height: float
    edges: list[Edge]
    wall: Paint
    floor: Paint
    model: Model = field(default_factory=Model)
    taken: list[Array] = field(default_factory=list)
    used: list[tuple[int, float, float, float, float]] = field(default_factory=list)
    lights: list[Array] = field(default_factory=list)
    tops: list[tuple[Array, Array, Array, float]] = field(default_factory=list)
    margin: float = 0.4
    rooms: list[Room] = field(default_factory=list)
    doors: list[tuple[int, int, Array]] = field(default_factory=list)

    @property
    def area(self) -> float:
        x, y = self.outline.T
        return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)

    def free_wall(
        self, index: int, start: float, stop: float, bottom: float = 0, top: float = TALL
    ) -> bool:
        """Whether nothing is on that part of a wall."""
        return not any(
            edge == index and s < stop and start < e and low < top and bottom < high
            for edge, s, e, low, high in self.used
        )

    def use_wall(self, index: int, start: float, stop: float, low: float, high: float) -> None:
        self.used.append((index, start, stop, low, high))


def shell(kind: str, rng: Rng) -> Room:
    """The empty room: outline, floor and ceiling; walls come last, when the openings are known."""
    shorter, longer = SIDES[kind]
    outline = _outline(kind, rng.uniform(*longer), rng.uniform(*shorter), rng)
    return raised(kind, outline, rng)


def raised(kind: str, outline: Array, rng: Rng, margin: float = 0.4) -> Room:
    """The empty room over an outline (n, 2)."""
    height = rng.uniform(*HEIGHTS.get(kind, (2.4, 3.4)))
    room = Room(
        kind=kind,
        outline=outline,
        height=float(height),
        edges=_edges(outline),
        wall=materials.wall(rng),
        floor=materials.floor(rng),
        margin=margin,
    )
    low, high = outline.min(axis=0) - margin, outline.max(axis=0) + margin
    room.model.box("floor", room.floor, [*low, -0.2], [*high, 0])
    _ceiling(room, rng)
    return room


def _outline(kind: str, width: float, depth: float, rng: Rng) -> Array:
    """Corners counter-clockwise: a rectangle, or one with a corner cut, a notch or a slant."""
    w, d = width / 2, depth / 2
    shape = rng.random()
    if shape < 0.2 and kind != "storage":  # L
        arm = rng.uniform(1.4, 2.5) if kind == "corridor" else rng.uniform(0.45, 0.7) * width
        depth = depth * rng.uniform(2, 3.5) if kind == "corridor" else depth
        d, cut = depth / 2, min(arm, 0.8 * width)
        back = d - (1 - rng.uniform(0.4, 0.65)) * depth
        if kind == "corridor":
            back = -d + rng.uniform(1.4, 2.6)
        corners = [(-w, -d), (w, -d), (w, back), (-w + cut, back), (-w + cut, d), (-w, d)]
    elif shape < 0.27:  # a chamfered corner
        c = rng.uniform(0.15, 0.35) * min(width, depth)
        corners = [(-w, -d), (w, -d), (w, d - c), (w - c, d), (-w, d)]
    elif shape < 0.34:  # one slanted wall
        s = rng.uniform(0.05, 0.25) * width
        corners = [(-w, -d), (w, -d), (w - s, d), (-w, d)]
    elif shape < 0.42:  # a niche pushed into the room, such as a shaft
        a, b = rng.uniform(0.3, 0.9, 2)
        corners = [(-w, -d), (w, -d), (w, d - b), (w - a, d - b), (w - a, d), (-w, d)]
    else:
        corners = [(-w, -d), (w, -d), (w, d), (-w, d)]
    outline = np.array(corners)
    if rng.random() < 0.5:  # mirrored, and counter-clockwise again
        outline = (outline * [-1, 1])[::-1]
    return outline


def _edges(outline: Array) -> list[Edge]:
    ahead = np.roll(outline, -1, axis=0) - outline
    lengths = np.linalg.norm(ahead, axis=1)
    ahead = ahead / lengths[:, None]
    before = np.roll(ahead, 1, axis=0)
    convex = before[:, 0] * ahead[:, 1] - before[:, 1] * ahead[:, 0] > 0
    edges = []
    for i, start in enumerate(outline):
        inward = np.array([-ahead[i, 1], ahead[i, 0]])
        outer = bool((((outline - start) * inward).sum(axis=1) > -1e-6).all())
        corners = bool(convex[i]), bool(convex[(i + 1) % len(outline)])
        edges.append(Edge(start, ahead[i], inward, float(lengths[i]), outer, corners))
    return edges


def _ceiling(room: Room, rng: Rng) -> None:
    paint = materials.ceiling(rng)
    low, high = room.outline.min(axis=0) - room.margin, room.outline.max(axis=0) + room.margin
    sloped = rng.random() < 0.1 and len(room.outline) == 4 and room.kind != "corridor"
    sloped &= room.margin == Room.margin  # no room of a storey, whose neighbours it would reach
    if sloped:
        # Turned about its lower edge, it rises along y from `height`.
        depth = high[1] - low[1]
        angle = np.arctan2(min(rng.uniform(0.3, 1.6), TALL - room.height), depth)
        turn = turn_x(angle * rng.choice([-1, 1]))
        centre = [*(low + high) / 2, room.height + depth / 2 * np.tan(angle) + 0.1]
        half = np.array([(high[0] - low[0]) / 2, depth / 2 / np.cos(angle) + 0.2, 0.1])
        room.model.box("ceiling", paint, np.array(centre) - half, np.array(centre) + half, turn)
        room.lights.append(np.array([0, 0, room.height - 0.3]))
        return
    room.model.box("ceiling", paint, [*low, room.height], [*high, room.height + 0.2])
    _lamps(room, rng, hanging=rng.random() < 0.3)
    _beams(room, rng)
    if room.height > 2.8 and rng.random() < 0.2:
        _pipes(room, rng)


def _lamps(room: Room, rng: Rng, *, hanging: bool) -> None:
    """Rows of lamps: flush ones are part of the ceiling, hanging ones are clutter."""
    low, high = room.outline.min(axis=0), room.outline.max(axis=0)
    spacing = rng.uniform(1.8, 3.0, 2)
    counts = np.maximum(((high - low) / spacing).astype(int), 1)
    size = [(1.2, 0.3), (0.6, 0.6), (1.5, 0.12), (0.25, 0.25)][rng.integers(4)]
    paint, case, z = materials.light(rng), materials.metal(rng), room.height
    drop = rng.uniform(0.05, 0.15) if rng.random() < 0.4 else rng.uniform(0.3, 0.8)
    drop = min(drop, room.height - 2.1)
    round_ = rng.random() < 0.4
    for i in range(counts[0]):
        for j in range(counts[1]):
            x, y = low + (high - low) * (np.array([i, j]) + 0.5) / counts
            if not inside(np.array([x, y]), room.outline, 0.5):
                continue
            room.lights.append(np.array([x, y, z - 0.4]))
            w, d = size[0] / 2, size[1] / 2
            if not hanging:
                part = ([x - w, y - d, z - 0.01], [x + w, y + d, z + 0.05])
                room.model.box("ceiling", paint, *part)
                continue
            if drop > 0.15:
                room.model.rod("clutter", case, [x, y, z], [x, y, z - drop], 0.01)
            if round_:
                r = max(d, 0.15)
                room.model.rod(
                    "clutter", paint, [x, y, z - drop], [x, y, z - drop - 0.15], r / 2, r
                )
            else:
                room.model.box(
                    "clutter", paint, [x - w, y - d, z - drop - 0.08], [x + w, y + d, z - drop]
                )


def _beams(room: Room, rng: Rng) -> None:
    if rng.random() > 0.5 or room.height < 2.45:
        return
    low, high = room.outline.min(axis=0), room.outline.max(axis=0)
    deep = min(rng.uniform(0.12, 0.6), room.height - 2.15)
    wide, bottom = rng.uniform(0.1, 0.55), room.height - deep
    paint = room.wall if rng.random() < 0.5 else materials.wall(rng)
    if rng.random() < 0.2:
        paint = materials.wood(rng)
    axis = int(rng.integers(2)) if room.kind != "corridor" else 0
    if rng.random() < 0.3:  # along a wall
        places = [low[axis] + wide / 2] if rng.random() < 0.5 else [high[axis] - wide / 2]
    else:
        count = int(rng.integers(1, 5)) + (2 if room.area > 50 else 0)
        places = list(low[axis] + (high[axis] - low[axis]) * (np.arange(count) + 0.5) / count)
    for place in places:
        start, stop = np.array([*low, bottom]), np.array([*high, room.height + 0.05])
        start[axis], stop[axis] = place - wide / 2, place + wide / 2
        room.model.box("beam", paint, start, stop)
        room.lights = [p for p in room.lights if abs(p[axis] - place) > wide]


def _pipes(room: Room, rng: Rng) -> None:
    """A duct or pipes under the ceiling."""
    low, high = room.outline.min(axis=0), room.outline.max(axis=0)
    paint, axis = materials.metal(rng), int(rng.integers(2))
    place = rng.uniform(0.15, 0.85)
    for k in range(int(rng.integers(1, 4))):
        radius = rng.uniform(0.02, 0.06) if k else rng.uniform(0.04, 0.2)
        x = low[axis] + place * (high[axis] - low[axis]) + 0.35 * k
        z = room.height - radius - rng.uniform(0.02, 0.15)
        start, stop = np.array([*low, z]), np.array([*high, z])
        start[axis] = stop[axis] = x
        room.model.rod("clutter", paint, start, stop, radius)


def inside(point: Array, outline: Array, margin: float = 0.0) -> bool:
    """Whether a point (2,) lies in a polygon and at least `margin` from its border."""
    ahead = np.roll(outline, -1, axis=0) - outline
    off = point - outline
    share = np.clip((off * ahead).sum(axis=1) / (ahead**2).sum(axis=1), 0, 1)
    distance = np.linalg.norm(off - share[:, None] * ahead, axis=1).min()
    above = outline[:, 1] > point[1]
    crosses = above != np.roll(above, -1)
    with np.errstate(divide="ignore", invalid="ignore"):
        x = outline[:, 0] + ahead[:, 0] * off[:, 1] / ahead[:, 1]
    odd = int((crosses & (point[0] < x)).sum()) % 2 == 1
    return odd and bool(distance >= margin)
