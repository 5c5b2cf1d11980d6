"""Where things fit into a room: at walls or free, without collisions."""

from __future__ import annotations

import numpy as np

from salanet.datasets.rooms.layout import Room, inside
from salanet.datasets.rooms.materials import Rng
from salanet.datasets.rooms.primitives import Array, Model, turn_z


def put(
    room: Room, model: Model, place: Array, yaw: float, *, slack: float = 0.03,
    besides: Array | None = None, solid: bool = True,
) -> bool:  # fmt: skip
    """Add the model there if it fits; `besides` is an obstacle that it may overlap."""
    outline = footprint(model, place, yaw, slack)
    if not within(outline, room.outline):
        return False
    for other in room.taken:
        if other is not besides and overlaps(outline, other):
            return False
    room.model.add(model, [*place, 0], yaw)
    room.tops += [(low, high, place, yaw) for low, high in model.tops]
    if solid:
        room.taken.append(footprint(model, place, yaw, 0.0))
    return True


def at_wall(
    room: Room, model: Model, rng: Rng, gap: float = 0.02, tries: int = 60
) -> tuple[Array, float] | None:
    """Add the model with its back to a wall; where it is, or None if there is no room."""
    low, high = model.bounds()
    for _ in range(tries):
        index = int(rng.integers(len(room.edges)))
        edge = room.edges[index]
        if edge.length < high[0] - low[0] + 0.1:
            continue
        corner = rng.random()  # things like to stand in corners
        s = rng.uniform(0.05 - low[0], edge.length - high[0] - 0.05)
        s = 0.05 - low[0] if corner < 0.2 else edge.length - high[0] - 0.05 if corner < 0.4 else s
        if not room.free_wall(index, s + low[0], s + high[0], 0.05, high[2]):
            continue
        place = edge.at(s, gap + 0.04 - low[1])
        if put(room, model, place, edge.yaw):
            room.use_wall(index, s + low[0], s + high[0], 0, high[2])
            return place, edge.yaw
    return None


def anywhere(
    room: Room, model: Model, rng: Rng, tries: int = 25, *, straight: bool = False
) -> tuple[Array, float] | None:
    low, high = room.outline.min(axis=0), room.outline.max(axis=0)
    for _ in range(tries):
        place = rng.uniform(low, high)
        yaw = float(rng.integers(4)) * np.pi / 2 if straight else rng.uniform(0, 2 * np.pi)
        if put(room, model, place, yaw):
            return place, yaw
    return None


def footprint(model: Model, place: Array, yaw: float, slack: float) -> Array:
    """The corners (4, 2) on the floor, counter-clockwise, `slack` metres larger."""
    low, high = model.bounds()
    x0, y0, x1, y1 = *(low[:2] - slack), *(high[:2] + slack)
    corners = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
    return corners @ turn_z(yaw)[:2, :2].T + place


def overlaps(one: Array, other: Array) -> bool:
    """Whether two convex outlines overlap: no side of either separates them."""
    for outline in (one, other):
        ahead = np.roll(outline, -1, axis=0) - outline
        normals = np.column_stack([ahead[:, 1], -ahead[:, 0]])
        a, b = one @ normals.T, other @ normals.T
        if ((a.min(axis=0) >= b.max(axis=0)) | (b.min(axis=0) >= a.max(axis=0))).any():
            return False
    return True


def within(outline: Array, room: Array) -> bool:
    """Corners and the middles of the sides lie in the room, and no corner of it inside them."""
    middles = (outline + np.roll(outline, -1, axis=0)) / 2
    if not all(inside(point, room) for point in [*outline, *middles]):
        return False
    return not any(inside(corner, outline) for corner in room)
