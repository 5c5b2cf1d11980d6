"""What a person draws, and which points it holds, in float64.

A shape answers for points (`holds`) and, so that not all points have to be asked, for boxes that
surely hold none of it (`misses`). Coordinates are those of `salanet.view.points`: z is up, the
origin is near, the unit is the file's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
SLACK = 1e-9  # of the numbers compared, by which a box must miss: rounding decides nothing


class Shape(Protocol):
    """A part of space."""

    def holds(self, xyz: Floats) -> Mask:
        """Which points (N, 3) it holds, bool (N,)."""

    def misses(self, low: Floats, high: Floats) -> Mask:
        """Which boxes, from `low` to `high` (M, 3), surely hold no point of it, bool (M,)."""


@dataclass(frozen=True)
class Camera:
    """From points to pixels, as WebGL does it.

    Attributes:
        matrix: float64 (4, 4), from a point (x, y, z, 1) to the clip space of WebGL.
        width, height: of the picture in pixels; the first one is at the upper left.
    """

    matrix: Floats
    width: float
    height: float

    def clip(self, xyz: Floats) -> Floats:
        """Points (N, 3) in clip space, (4, N)."""
        m = self.matrix
        x, y, z = xyz.T
        # One sum after the other: the same for a point whichever others come with it.
        return np.stack([m[i, 0] * x + m[i, 1] * y + m[i, 2] * z + m[i, 3] for i in range(4)])

    def seen(self, clip: Floats) -> Mask:
        """Which points in clip space (4, N) the picture shows."""
        w = clip[3]
        inside: Mask = (w > 0) & (np.abs(clip[:3]) <= w).all(axis=0)
        return inside

    def pixels(self, clip: Floats) -> tuple[Floats, Floats]:
        """Of points that are seen: x to the right and y down."""
        x, y, _, w = clip
        return (1 + x / w) * self.width / 2, (1 - y / w) * self.height / 2

    def outside(self, low: Floats, high: Floats, frame: tuple[float, float, float, float]) -> Mask:
        """Which boxes (M, 3) lie outside a frame of pixels: least x, y and greatest x, y."""
        corners = np.stack(
            [np.where([k & 1, k & 2, k & 4], high, low) for k in range(8)]
        )  # (8, M, 3)
        x, y, z, w = self.clip(corners.reshape(-1, 3)).reshape(4, 8, -1)
        left, top, right, bottom = frame
        # What lies beyond a plane of the frame has a product of one sign, a box if its corners do.
        beyond = [
            x - (2 * max(left, 0) / self.width - 1) * w,
            (2 * min(right, self.width) / self.width - 1) * w - x,
            (1 - 2 * max(top, 0) / self.height) * w - y,
            y - (1 - 2 * min(bottom, self.height) / self.height) * w,
            z + w,
            w - z,
        ]
        size = SLACK * (np.abs(x) + np.abs(y) + np.abs(z) + np.abs(w)).max(axis=0)
        found: Mask = np.any([side.max(axis=0) < -size for side in beyond], axis=0)
        return found


@dataclass(frozen=True)
class View:
    """All that a camera shows."""

    camera: Camera

    def holds(self, xyz: Floats) -> Mask:
        return self.camera.seen(self.camera.clip(xyz))

    def misses(self, low: Floats, high: Floats) -> Mask:
        return self.camera.outside(low, high, (0, 0, self.camera.width, self.camera.height))


@dataclass(frozen=True)
class Lasso:
    """What a camera shows inside a polygon on the screen, near or far; by the even-odd rule.

    Attributes:
        line: its corners in pixels (K, 2).
    """

    camera: Camera
    line: Floats

    def holds(self, xyz: Floats) -> Mask:
        return _on_screen(self.camera, xyz, self._frame, self._inside)

    def misses(self, low: Floats, high: Floats) -> Mask:
        return self.camera.outside(low, high, self._frame)

    @cached_property
    def _frame(self) -> tuple[float, float, float, float]:
        return _frame(self.line, 0)

    def _inside(self, x: Floats, y: Floats) -> Mask:
        found = np.zeros(len(x), bool)
        for (ax, ay), (bx, by) in zip(self.line, np.roll(self.line, -1, axis=0), strict=True):
            # Only those between its ends can be left of an edge; y rises.
            part = slice(*np.searchsorted(y, (min(ay, by), max(ay, by))))
            if ay != by:
                found[part] ^= x[part] < ax + (y[part] - ay) * ((bx - ax) / (by - ay))
        return found


@dataclass(frozen=True)
class Stroke:
    """What a camera shows within some pixels of a line on the screen, near or far.

    Attributes:
        line: its corners in pixels (K, 2); one makes a circle.
        radius: in pixels.
    """

    camera: Camera
    line: Floats
    radius: float

    def holds(self, xyz: Floats) -> Mask:
        return _on_screen(self.camera, xyz, self._frame, self._near)

    def misses(self, low: Floats, high: Floats) -> Mask:
        return self.camera.outside(low, high, self._frame)

    @cached_property
    def _frame(self) -> tuple[float, float, float, float]:
        return _frame(self.line, self.radius)

    def _near(self, x: Floats, y: Floats) -> Mask:
        found = np.zeros(len(x), bool)
        for a, b in _edges(self.line):
            ends = (min(a[1], b[1]) - self.radius, max(a[1], b[1]) + self.radius)
            part = slice(np.searchsorted(y, ends[0]), np.searchsorted(y, ends[1], "right"))
            along, length = b - a, float(((b - a) ** 2).sum())
            u, v = x[part] - a[0], y[part] - a[1]
            t = np.clip((u * along[0] + v * along[1]) / length, 0, 1) if length else 0.0
            away = (u - t * along[0]) ** 2 + (v - t * along[1]) ** 2
            found[part] |= away <= self.radius**2
        return found


@dataclass(frozen=True)
class Balls:
    """Points within a distance of any of some centres.

    Attributes:
        centres: (K, 3).
        radius: in the file's units.
    """

    centres: Floats
    radius: float

    def holds(self, xyz: Floats) -> Mask:
        found = np.zeros(len(xyz), bool)
        for centre in self.centres:
            found |= ((xyz - centre) ** 2).sum(axis=1) <= self.radius**2
        return found

    def misses(self, low: Floats, high: Floats) -> Mask:
        found = np.ones(len(low), bool)
        for centre in self.centres:
            away = np.maximum(np.maximum(low - centre, centre - high), 0)
            found &= (away**2).sum(axis=1) > self.radius**2 * (1 + SLACK)
        return found


@dataclass(frozen=True)
class Slab:
    """A slice: an upright slab along a line, of a width, without end up and down.

    Attributes:
        start, stop: of the line, seen from above (2,), which are not the same place.
        width: in the file's units, half of it at either side.
    """

    start: Floats
    stop: Floats
    width: float

    def holds(self, xyz: Floats) -> Mask:
        along, aside = self._placed(xyz)
        found: Mask = (along >= 0) & (along <= self._length) & (np.abs(aside) <= self.width / 2)
        return found

    def misses(self, low: Floats, high: Floats) -> Mask:
        half = (high - low)[:, :2] / 2
        along, aside = self._placed((low + high) / 2)
        (ux, uy), size = np.abs(self._unit), SLACK * (np.abs(low) + np.abs(high)).sum(axis=1)
        reach, across = half @ [ux, uy] + size, half @ [uy, ux] + size
        found: Mask = (along < -reach) | (along > self._length + reach)
        beside: Mask = found | (np.abs(aside) > self.width / 2 + across)
        return beside

    @cached_property
    def _length(self) -> float:
        return float(np.hypot(*(self.stop - self.start)))

    @cached_property
    def _unit(self) -> Floats:
        unit: Floats = (self.stop - self.start) / self._length
        return unit

    def _placed(self, xyz: Floats) -> tuple[Floats, Floats]:
        (ux, uy), x, y = self._unit, xyz[:, 0] - self.start[0], xyz[:, 1] - self.start[1]
        return x * ux + y * uy, y * ux - x * uy


@dataclass(frozen=True)
class Below:
    """Points no higher than a cut."""

    top: float

    def holds(self, xyz: Floats) -> Mask:
        return np.asarray(xyz[:, 2] <= self.top)

    def misses(self, low: Floats, high: Floats) -> Mask:
        del high
        return np.asarray(low[:, 2] > self.top)


@dataclass(frozen=True)
class Box:
    """Points from a lowest to a highest corner (3,), both of them included."""

    low: Floats
    high: Floats

    def holds(self, xyz: Floats) -> Mask:
        return np.asarray(((xyz >= self.low) & (xyz <= self.high)).all(axis=1))

    def misses(self, low: Floats, high: Floats) -> Mask:
        return np.asarray(((high < self.low) | (low > self.high)).any(axis=1))


def _on_screen(camera: Camera, xyz: Floats, frame: tuple[float, ...], inside) -> Mask:  # type: ignore[no-untyped-def]
    """Which points (N, 3) are seen, in the frame of pixels, and `inside`, which gets y rising."""
    clip = camera.clip(xyz)
    found = camera.seen(clip)
    at = np.flatnonzero(found)
    x, y = camera.pixels(clip[:, at])
    left, top, right, bottom = frame
    some = (x >= left) & (x <= right) & (y >= top) & (y <= bottom)
    at, x, y = at[some], x[some], y[some]
    order = np.argsort(y)
    found[:] = False
    found[at[order]] = inside(x[order], y[order])
    return found


def _frame(line: Floats, more: float) -> tuple[float, float, float, float]:
    left, top = (line.min(axis=0) - more).tolist()
    right, bottom = (line.max(axis=0) + more).tolist()
    return left, top, right, bottom


def _edges(line: Floats) -> Iterator[tuple[Floats, Floats]]:
    yield from zip(line, line[1:] if len(line) > 1 else line, strict=len(line) == 1)
