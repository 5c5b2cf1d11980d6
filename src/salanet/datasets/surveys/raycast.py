"""What the rays of a flight line meet first: the ground, what covers it, bodies and crowns.

A ray is known by where it is at the height `datum`, and by how far it moves sideways per metre of
height; all go down. The first thing met is therefore the highest, and a ray meets a plane
n · p = d at a height that is linear in its place. Bodies are tried only against the rays around
them: rays lie in buckets of their place at the datum, and all rays near a body move sideways alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from salanet.datasets.surveys.raster import Float32, Grid, Mask, Rng
from salanet.datasets.surveys.site import Site
from salanet.datasets.surveys.solids import SOLID, Body, Crown

BUCKET = 2.0  # metres
GROUND_HIT, COVER_HIT = 0, 1  # numbers of what is met; bodies and crowns follow
FIRST = 2
STRATA = 6  # steps through a crown
COLUMNS = 200_000  # rays at a time, where much is made of each


@dataclass(frozen=True)
class Rays:
    """N pulses of S rays each.

    Attributes:
        x, y: float32 (N, S), where they are at the height `datum`.
        sx, sy: float32 (N,), how far they move per metre up.
    """

    x: Float32
    y: Float32
    sx: Float32
    sy: Float32
    datum: float

    def __len__(self) -> int:
        return len(self.sx)

    def at(self, z: Float32, rows: NDArray[np.int64] | slice = slice(None)) -> tuple[Float32, ...]:
        """x and y (n, S) of some pulses at heights (n, S)."""
        up = z - np.float32(self.datum)
        return self.x[rows] + self.sx[rows, None] * up, self.y[rows] + self.sy[rows, None] * up


@dataclass(frozen=True)
class Hits:
    """The first thing on each ray: height float32 (N, S), number of the thing int32 (N, S)."""

    z: Float32
    what: NDArray[np.int32]


class Buckets:
    """Pulses by the square of the plan that their first ray is in at the datum."""

    def __init__(self, rays: Rays) -> None:
        x, y = rays.x[:, 0], rays.y[:, 0]
        self.low = np.array([x.min(initial=0), y.min(initial=0)], float)
        i = ((x - self.low[0]) / BUCKET).astype(np.int64)
        j = ((y - self.low[1]) / BUCKET).astype(np.int64)
        self.shape = (int(i.max(initial=0)) + 1, int(j.max(initial=0)) + 1)
        key = i * self.shape[1] + j
        self.order = np.argsort(key, kind="stable")
        self.starts = np.searchsorted(key[self.order], np.arange(np.prod(self.shape) + 1))

    def near(self, x: tuple[float, float], y: tuple[float, float]) -> NDArray[np.int64]:
        """Pulses in a window of the plan, and a few around it."""
        i0, i1 = self._range(x, 0)
        j0, j1 = self._range(y, 1)
        if i0 >= i1 or j0 >= j1:
            return np.zeros(0, np.int64)
        rows = np.arange(i0, i1) * self.shape[1]
        pieces = [self.order[self.starts[r + j0] : self.starts[r + j1]] for r in rows]
        return np.concatenate(pieces)

    def _range(self, ends: tuple[float, float], axis: int) -> tuple[int, int]:
        first = int(np.floor((ends[0] - self.low[axis]) / BUCKET))
        last = int(np.floor((ends[1] - self.low[axis]) / BUCKET)) + 1
        return max(first, 0), min(last, self.shape[axis])


def cast(site: Site, rays: Rays, rng: Rng) -> Hits:
    """The first thing on every ray."""
    z = ground_heights(site.grid, site.surface, rays)
    what = np.full(z.shape, GROUND_HIT, np.int32)
    _cover(site, rays, z, what, rng)
    if len(rays):
        buckets = Buckets(rays)
        drift = _drift(rays)
        things = all_things(site)
        tops = [_box(thing)[1][2] for thing in things]
        for index in np.argsort(tops, kind="stable")[::-1]:  # the highest hide the others
            thing = things[index]
            rows = buckets.near(*_window(thing, rays, drift))
            rows = rows[z[rows].min(axis=1) < tops[index]] if len(rows) else rows
            if not len(rows):
                continue
            if isinstance(thing, Body):
                met = _body(thing, rays, rows, rng)
            else:
                met = _crown(thing, rays, rows, z[rows], rng)
            higher = met > z[rows]
            if higher.any():
                n, s = np.nonzero(higher)
                z[rows[n], s] = met[n, s]
                what[rows[n], s] = FIRST + index
    return Hits(z, what)


def all_things(site: Site) -> list[Body | Crown]:
    """In the order of their numbers, from `FIRST` on."""
    return [*site.things.bodies, *site.things.crowns]


def ground_heights(grid: Grid, surface: NDArray[np.float64], rays: Rays) -> Float32:
    """Where rays (N, S) meet a surface over the grid: float32 (N, S).

    Where it is gentle by looking again where the last answer was, else by going down from above.
    """
    heights = surface.astype(np.float32)
    z = np.full(rays.x.shape, heights.mean(), np.float32)
    rough = _rough(grid, heights)
    for start in range(0, len(rays), COLUMNS):
        rows = np.arange(start, min(start + COLUMNS, len(rays)))
        here = z[rows]
        for _ in range(4):
            here = grid.bilinear(heights, *rays.at(here, rows))
        z[rows] = here
        x, y = rays.at(here, rows)
        hard = rough.reshape(-1)[grid.nearest(x, y)].any(axis=1)
        if hard.any():
            z[rows[hard]] = _descend(grid, heights, rays, rows[hard])
    return z


def _rough(grid: Grid, heights: Float32) -> Mask:
    """Where the surface is too steep to guess, and some metres around."""
    from scipy import ndimage

    gx, gy = np.gradient(heights, grid.cell)
    steep = (gx * gx + gy * gy) > 1.2
    found: Mask = ndimage.maximum_filter(steep, int(2 * 12 / grid.cell) + 1)
    return found


def _descend(grid: Grid, heights: Float32, rays: Rays, rows: NDArray[np.int64]) -> Float32:
    """Step down in steps that move a cell sideways, then halve the last step."""
    from scipy import ndimage

    reach = int(2 * 20 / grid.cell) + 1
    highest = ndimage.maximum_filter(heights, reach).reshape(-1)
    lowest = ndimage.minimum_filter(heights, reach).reshape(-1)
    middle = np.full((len(rows), rays.x.shape[1]), heights.mean(), np.float32)
    for _ in range(2):
        middle = grid.bilinear(heights, *rays.at(middle, rows))
    at = grid.nearest(*rays.at(middle, rows))
    above, bottom = highest[at] + np.float32(0.01), lowest[at]
    steep = max(float(np.hypot(rays.sx[rows], rays.sy[rows]).max()), 0.02)
    most = float((above - bottom).max())
    steps = int(np.clip(np.ceil(most * steep / (0.8 * grid.cell)), 1, 150))
    step = (above - bottom) / np.float32(steps)
    high = above
    on_way = np.arange(len(rows))  # pulses with a ray that has not met the ground
    for _ in range(steps):
        low = high[on_way] - step[on_way]
        under = grid.bilinear(heights, *rays.at(low, rows[on_way])) >= low
        high[on_way] = np.where(under, high[on_way], low)
        on_way = on_way[~under.all(axis=1)]
        if not len(on_way):
            break
    low = high - step
    for _ in range(8):
        middle = (low + high) / 2
        under = grid.bilinear(heights, *rays.at(middle, rows)) >= middle
        low, high = np.where(under, middle, low), np.where(under, high, middle)
    return np.asarray(low, np.float32)


def _cover(site: Site, rays: Rays, z: Float32, what: NDArray[np.int32], rng: Rng) -> None:
    """Grass and crops end some rays above the ground."""
    if not (site.cover > 0).any():
        return
    at = site.grid.nearest(*rays.at(z))
    tall = site.cover.astype(np.float32).reshape(-1)[at]
    density = site.cover_density.astype(np.float32).reshape(-1)[at]
    # The tops are uneven: each ray meets a stalk of its own.
    tall *= rng.uniform(0.4, 1.1, tall.shape).astype(np.float32)
    way = rng.exponential(1.0, tall.shape).astype(np.float32) / density
    met = (tall > 0.03) & (way < tall)
    z[met] += (tall - way)[met]
    what[met] = COVER_HIT


def _drift(rays: Rays) -> tuple[float, float, float, float]:
    """Least and greatest sideways movement of the rays."""
    return (
        float(rays.sx.min()),
        float(rays.sx.max()),
        float(rays.sy.min()),
        float(rays.sy.max()),
    )


def _window(
    thing: Body | Crown, rays: Rays, drift: tuple[float, float, float, float]
) -> tuple[tuple[float, float], tuple[float, float]]:
    """In plan at the datum, where rays that may meet a thing are."""
    low, high = _box(thing)
    ends = []
    for axis in (0, 1):
        moves = [
            s * (z - rays.datum) for s in drift[2 * axis : 2 * axis + 2] for z in _z(low, high)
        ]
        slack = 0.6  # half a beam
        ends.append((float(low[axis] - max(moves) - slack), float(high[axis] - min(moves) + slack)))
    return ends[0], ends[1]


def _box(thing: Body | Crown) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lowest and highest corner of a box around a thing."""
    if isinstance(thing, Body):
        return thing.low, thing.high
    middle, (wide, tall) = np.array(thing.centre), thing.radii
    return middle - (wide, wide, tall), middle + (wide, wide, tall)


def _z(low: NDArray[np.float64], high: NDArray[np.float64]) -> tuple[float, float]:
    return float(low[2]), float(high[2])


def _body(thing: Body, rays: Rays, rows: NDArray[np.int64], rng: Rng) -> Float32:
    """Height at which each ray (n, S) meets a convex body, -inf where it does not."""
    x, y = rays.x[rows], rays.y[rows]
    sx, sy = rays.sx[rows, None], rays.sy[rows, None]
    top = np.full(x.shape, np.float32(thing.high[2]))
    bottom = np.full(x.shape, np.float32(thing.low[2]))
    datum = np.float32(rays.datum)
    for a, b, c, d in thing.planes.astype(np.float32):
        if a == 0 and b == 0:
            continue  # level: in `top` and `bottom` already
        rate = a * sx + b * sy + c  # of n · p per metre up
        rest = d - (a * x + b * y + c * datum)
        with np.errstate(divide="ignore", invalid="ignore"):
            z = rest / rate + datum
        np.minimum(top, np.where(rate > 0, z, np.inf), out=top)
        np.maximum(bottom, np.where(rate < 0, z, -np.inf), out=bottom)
        parallel = (rate == 0) & (rest < 0)
        if parallel.any():
            top[parallel] = -np.inf
    if thing.density < SOLID:
        slant = np.sqrt(1 + sx * sx + sy * sy)
        way = rng.exponential(1 / thing.density, x.shape).astype(np.float32)
        top -= way / slant
    return np.where(top > bottom, top, np.float32(-np.inf))


def _crown(thing: Crown, rays: Rays, rows: NDArray[np.int64], ended: Float32, rng: Rng) -> Float32:
    """Height at which each ray (n, S) meets a leaf of a crown, -inf where it passes.

    `ended` (n, S) are heights that rays do not get below.
    """
    cx, cy, cz = thing.centre
    wide, tall = thing.radii
    up = np.float32(cz - rays.datum)
    x = rays.x[rows] + rays.sx[rows, None] * up - np.float32(cx)
    y = rays.y[rows] + rays.sy[rows, None] * up - np.float32(cy)
    out = np.full(x.shape, -np.inf, np.float32)
    inside = x * x + y * y < (wide + tall * _steepest(rays, rows)) ** 2
    inside &= ended < cz + tall
    n, s = np.nonzero(inside)
    if not len(n):
        return out
    x, y, sx, sy = x[n, s], y[n, s], rays.sx[rows[n]], rays.sy[rows[n]]
    high, low = _chord(thing, x, y, sx, sy)
    length = np.maximum(high - low, 0) * np.sqrt(1 + sx * sx + sy * sy)
    # Clumps of leaves, smaller and larger ones, and gaps between them.
    waves = (rng.normal(size=(3, 3)) * [[1.5], [3.0], [6.0]] / thing.clumps).astype(np.float32)
    phase = rng.uniform(0, 2 * np.pi, 3).astype(np.float32)
    left = rng.exponential(1.0, len(n)).astype(
        np.float32
    )  # optical depth that the ray gets through
    each = length * np.float32(thing.density / STRATA)
    met = np.full(len(n), -np.inf, np.float32)
    for k in range(STRATA):
        z = high + (low - high) * ((k + rng.random(len(n), np.float32)) / STRATA)
        px, py = x + sx * z, y + sy * z
        clump = np.zeros(len(n), np.float32)
        for (a, b, c), start in zip(waves, phase, strict=True):
            clump += np.sin(a * px + b * py + c * z + start)
        # Leaves grow outside, and there in clumps: crowns are ragged. The mean is about 1.
        shell = (px * px + py * py) / (wide * wide) + (z * z) / (tall * tall)
        ragged = 0.8 + 2.0 * np.minimum(shell, 1)
        thick = np.exp(ragged * clump - 1.85 * ragged + 0.85) * (0.3 + 1.1 * shell)
        left -= each * thick
        now = (left < 0) & (met == -np.inf)
        met[now] = z[now]
    out[n, s] = met + np.float32(cz)
    return out


def _steepest(rays: Rays, rows: NDArray[np.int64]) -> float:
    return float(np.hypot(rays.sx[rows], rays.sy[rows]).max(initial=0))


def _chord(
    thing: Crown, x: Float32, y: Float32, sx: Float32, sy: Float32
) -> tuple[Float32, Float32]:
    """Heights above the crown's middle where rays, at x, y there, enter and leave it."""
    wide, tall = thing.radii
    if not thing.cone:
        # (x + sx z)² + (y + sy z)² over wide², plus z² over tall², is 1.
        a = (sx * sx + sy * sy) / wide**2 + 1 / tall**2
        b = (x * sx + y * sy) / wide**2
        c = (x * x + y * y) / wide**2 - 1
        root = np.sqrt(np.maximum(b * b - a * c, 0))
        hit = b * b > a * c
        high, low = (-b + root) / a, (-b - root) / a
        return np.where(hit, high, 0), np.where(hit, low, 0)
    # A cone's radius at height z is (tall - z) · rate: its lower nappe, above -tall.
    rate = wide / (2 * tall)
    a = sx * sx + sy * sy - rate * rate
    b = x * sx + y * sy + tall * rate * rate
    c = x * x + y * y - (tall * rate) ** 2
    inner = b * b - a * c
    root = np.sqrt(np.maximum(inner, 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        one, two = (-b + root) / a, (-b - root) / a
    # a < 0: the ray is in the lower nappe below the smaller root.
    high = np.where(a < 0, np.minimum(one, two), np.maximum(one, two))
    low = np.where(a < 0, -tall, np.minimum(one, two))
    high, low = np.minimum(high, tall), np.maximum(low, -tall)
    hit = (inner > 0) & (high > low)
    return np.where(hit, high, 0), np.where(hit, low, 0)
