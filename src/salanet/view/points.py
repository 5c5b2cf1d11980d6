"""Points in an order in which neighbours lie together: a small place has to ask few of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from salanet.view.sample import picked
from salanet.view.shapes import Camera, Floats, Shape, Stroke

BLOCK = 2048  # points that have a box in common
AT_ONCE = 1 << 20  # points asked at once; bounds the memory
STEPS = 1 << 10  # of the order, along each axis
FEW = 3  # as many points as can be shown are worth asking
FINGER = 6.0  # pixels from a point at which it can be pointed at


class Found(NamedTuple):
    """A point under the mouse: its place in the order, and its coordinates (3,)."""

    place: int
    xyz: Floats


class Points:
    """Finite points along a Z-order curve; any even part of them is an even sample of space.

    Args:
        xyz: float64 (N, 3), around an origin that is near.
        rows: int64 (N,), what these points are called elsewhere.

    Attributes:
        xyz, rows: the same, in the new order.
    """

    def __init__(self, xyz: Floats, rows: NDArray[np.int64]) -> None:
        order = np.argsort(_codes(xyz), kind="stable")
        self.xyz, self.rows = xyz[order], rows[order]
        starts = np.arange(0, len(xyz), BLOCK)
        self._low = np.minimum.reduceat(self.xyz, starts, axis=0)
        self._high = np.maximum.reduceat(self.xyz, starts, axis=0)

    def __len__(self) -> int:
        return len(self.xyz)

    def within(self, shapes: Sequence[Shape]) -> NDArray[np.int64]:
        """The places in the order, rising, of the points that all of the shapes hold."""
        blocks = self._near(shapes)
        found = [np.zeros(0, np.int64)]
        for first in range(0, len(blocks), AT_ONCE // BLOCK):
            some = blocks[first : first + AT_ONCE // BLOCK]
            places = (some[:, None] * BLOCK + np.arange(BLOCK)).reshape(-1)
            places = places[places < len(self)]
            for shape in shapes:
                places = places[shape.holds(self.xyz[places])]
            found.append(places)
        return np.concatenate(found)

    def some(self, shapes: Sequence[Shape], limit: int) -> tuple[NDArray[np.int64], bool]:
        """Places of at most `limit` of the points that all of the shapes hold, spread evenly.

        Returns:
            The places, rising, and whether they are all there are.
        """
        blocks = self._near(shapes)
        if len(blocks) * BLOCK <= FEW * limit:
            places = self.within(shapes)
            return places[picked(len(places), limit)], len(places) <= limit
        # More than can be shown, or nearly: not all have to be asked.
        which = picked(len(blocks) * BLOCK, FEW * limit)
        places = blocks[which // BLOCK] * BLOCK + which % BLOCK
        places = places[places < len(self)]
        for shape in shapes:
            places = places[shape.holds(self.xyz[places])]
        return places[picked(len(places), limit)], False

    def _near(self, shapes: Sequence[Shape]) -> NDArray[np.int64]:
        """The blocks that may have a point of all shapes."""
        near = np.ones(len(self._low), bool)
        for shape in shapes:
            near &= ~shape.misses(self._low, self._high)
        return np.flatnonzero(near)

    def hit(
        self,
        camera: Camera,
        at: tuple[float, float],
        shapes: Sequence[Shape],
        shown: Callable[[NDArray[np.int64]], NDArray[np.bool_]],
    ) -> Found | None:
        """The point that the mouse points at: of those within some pixels one that is near.

        Args:
            camera, at: what is seen, and where the mouse is, in pixels.
            shapes: all of them hold what may be hit.
            shown: tells of rows which of them may be hit.
        """
        circle = Stroke(camera, np.array([at], np.float64), FINGER)
        places = self.within([circle, *shapes])
        places = places[shown(self.rows[places])]
        if not len(places):
            return None
        clip = camera.clip(self.xyz[places])
        x, y = camera.pixels(clip)
        off = (x - at[0]) ** 2 + (y - at[1]) ** 2
        parallel = not camera.matrix[3, :3].any()
        best = int(np.argmin(off if parallel else clip[3] * (1 + off / 400)))
        return Found(int(places[best]), self.xyz[places[best]])


def _codes(xyz: Floats) -> NDArray[np.uint32]:
    """Places along the Z-order curve, 10 bits of every axis in turn; cells are cubes."""
    low = xyz.min(axis=0)
    side = max(float(np.ptp(xyz, axis=0).max()), 1e-300)
    codes = np.zeros(len(xyz), np.uint32)
    for axis in range(3):
        part = np.minimum((xyz[:, axis] - low[axis]) * (STEPS / side), STEPS - 1).astype(np.uint32)
        part = (part | part << 16) & 0x030000FF
        part = (part | part << 8) & 0x0300F00F
        part = (part | part << 4) & 0x030C30C3
        part = (part | part << 2) & 0x09249249
        codes |= part << np.uint32(axis)
    return codes
