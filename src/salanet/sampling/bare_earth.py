"""Which cells of a raster of lowest heights hold ground, and smooth surfaces through them.

1. Cells far below nearly all of their 5 x 5 neighbourhood are stray returns (`strays`); a narrow
   alley or courtyard has more than a few low cells.
2. Morphological openings with growing windows: what sticks out by more than terrain can rise
   within the window is a candidate. (The idea of the progressive filters of Zhang et al. 2003 and
   Pingel et al. 2013.) The windows are octagons, which leave ridges alone that squares cut.
3. Candidates are split into smooth segments, and each is judged by its border. Buildings end at a
   step on all sides; an embankment, a terrace or the top of a hill runs into the ground
   around it along part of its border, and stays ground.
4. A wide, low hall sticks out by less than a hill of its width may. It is found by its border
   alone: a step down wherever it does not touch something higher.
5. Roofs wider than any window are smooth surfaces that nothing joins to the rest: a high step
   down on all sides that are in view. Quays and terraces are lower, or have a ramp.
6. A headland or a rock is enclosed by steps as a building is, but climbs further than any roof,
   and nearly everywhere: such a surface stays ground.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salanet.components import components
from salanet.freed import release_memory
from salanet.sampling import raster

STEP = 0.1  # metres by which terrain may stick out at any scale
SLOPE = 0.15  # rise per metre that convex terrain may have besides the plane
GROWTH = 1.25  # of the window from one opening to the next
SEEN = 2.0  # metres: windows below this find trees and cars, which have no border to judge

JUMP = 0.5  # metres between neighbouring cells of one smooth surface
SMOOTH = 0.3  # share of the border without a step that makes a segment terrain
FEWEST = 20  # cells of a segment whose border can be judged
ROUNDS = 3  # terrain found again is a border for what lies behind it

LOW_SLOPE = 0.05  # for wide and low halls
LOW_MOST = 2.0  # metres
LOW_SMOOTH = 0.05  # share of a roof's border that may be without a step
LOW_STEPS = 0.5  # share of it that must be a step down: no tall wall, no edge of the cloud
LOW_STEP = 1.5  # metres, their mean step
LOW_FEWEST = 30  # cells

WIDE_STEP = 4.0  # metres, the mean step of a roof wider than the window; quays are lower
WIDE_AREA = 1000.0  # m², the least of it
WIDE_STEPS = 0.15  # share of the border with such a step; most may touch crowns and other roofs
WIDE_EDGE = 0.4  # times as much of its border as has a step down may be the edge of the cloud

CLIMB = 3.0  # metres between neighbouring cells of one rock face
RELIEF = 12.0  # metres that a rock climbs, more than roofs do
STEEP = 0.5  # share of its neighbouring cells with a step between them
ROCK_FEWEST = 150  # cells: wider than a spire

PIT = 1.0  # metres a stray return lies below its surroundings
STRAYS = 3  # cells of a 5 x 5 neighbourhood that may be stray returns
CELLS = 1 << 18  # at once, when gaps are filled

Raster = raster.Raster
Mask = NDArray[np.bool_]

_PAIRS = (
    (np.s_[:-1, :], np.s_[1:, :]),
    (np.s_[:, :-1], np.s_[:, 1:]),
)  # of neighbouring cells


def bare(lowest: Raster, known: Mask, cell: float, window: float, *, rocks: bool = True) -> Mask:
    """The known cells that hold ground; all of them if none does.

    Args:
        lowest: heights, any value where not known.
        known: cells that hold points.
        cell, window: in metres, see `height_above_ground`.
        rocks: whether they are ground.
    """
    ground = known & ~_objects(nearest(lowest, known), cell, window, rocks)
    return ground if ground.any() else known


def nearest(values: Raster, known: Mask) -> Raster:
    """Values where known, elsewhere that of the nearest known cell."""
    if known.all() or not known.any():
        return np.where(np.isfinite(values), values, 0.0)
    from_cells = raster.nearest_known(known)
    filled = values.copy()
    filled[~known] = values.ravel()[from_cells]
    return filled


def strays(lowest: Raster) -> Mask:
    """Cells that hold a return from far below the ground."""
    around = raster.rank_around(lowest, STRAYS, 5)
    around -= lowest
    return around > PIT


def _objects(heights: Raster, cell: float, window: float, rocks: bool) -> Mask:
    candidates, low, small = _candidates(heights, cell, window)
    release_memory()  # rasters that came and went
    level = _joined(heights, JUMP)
    for _ in range(ROUNDS):
        border = _Border.of(heights, candidates, level, small)
        terrain = border.smooth > SMOOTH * (border.smooth + border.steps)
        terrain &= border.size >= FEWEST
        if not terrain[1:].any():
            break
        candidates &= ~border.cells(terrain)
    high = candidates | small
    border = _Border.of(heights, low & ~high, level, high)
    low_halls = border.alone(LOW_STEPS, LOW_STEP) & (border.size >= LOW_FEWEST)
    objects = high | border.cells(low_halls)
    del border, low, low_halls
    release_memory()
    border = _Border.of(heights, ~objects, level, objects)
    wide = border.alone(WIDE_STEPS, WIDE_STEP) & (border.size * cell**2 >= WIDE_AREA)
    objects |= border.cells(wide & (border.edge <= WIDE_EDGE * border.steps))
    del border, wide
    release_memory()
    return objects & ~_rocks(heights, high, level) if rocks else objects


def _rocks(heights: Raster, objects: Mask, level: list[Mask]) -> Mask:
    """Cells of objects that are rather rocks: surfaces that climb far and nearly everywhere."""
    label = _segments(objects, _joined(heights, CLIMB))
    size = _sizes(label)
    pairs, even = np.zeros((2, len(size)))
    for (a, b), flat in zip(_PAIRS, level, strict=True):
        inside = (label[a] == label[b]) & (label[a] > 0)
        pairs += np.bincount(label[a][inside], minlength=len(size))
        even += np.bincount(label[a][inside & flat], minlength=len(size))
    rocks = np.zeros(len(size), bool)
    for number in np.flatnonzero((size >= ROCK_FEWEST) & (pairs - even > STEEP * pairs)):
        low, high = np.percentile(heights[label == number], [10, 90])
        rocks[number] = number > 0 and high - low > RELIEF
    return rocks[label]


def _candidates(heights: Raster, cell: float, window: float) -> tuple[Mask, Mask, Mask]:
    """Cells that stick out of an opening by more than terrain can rise within its window.

    Returns:
        those of wide windows, those of wide windows and the low slope, those of small windows.
    """
    high, low, small = (np.zeros(heights.shape, bool) for _ in range(3))
    heights = heights.copy()  # room for the differences, too
    largest = max(int(np.ceil(window / cell)), 1)
    radius = 1
    while True:
        opened = _opening(heights, radius)
        out = np.subtract(heights, opened, out=heights)
        high_enough = out > STEP + SLOPE * radius * cell
        if radius * cell < SEEN:
            small |= high_enough
        else:
            high |= high_enough
            low |= out > np.minimum(STEP + LOW_SLOPE * radius * cell, LOW_MOST)
        heights = opened
        if radius == largest:
            return high & ~small, low & ~small, small
        radius = min(max(radius + 1, round(GROWTH * radius)), largest)


def _opening(heights: Raster, radius: int) -> Raster:
    """The opening by an octagon: a square, then a diamond."""
    return raster.in_strips(lambda part: _opened(part, radius), heights, 2 * radius)


def _opened(heights: Raster, radius: int) -> Raster:
    square = round(0.414 * radius)
    size, diamond = 2 * square + 1, radius - square
    low = raster.least_around(heights, size)
    low = -_diamond(-low, diamond)
    return _diamond(raster.greatest_around(low, size), diamond)


def _diamond(heights: Raster, radius: int) -> Raster:
    """The greatest height within a diamond, by shifts that double it."""
    reached = 0
    while reached < radius:
        shift = min(reached + 1, radius - reached)
        greatest = heights.copy()
        for a, b in ((np.s_[shift:, :], np.s_[:-shift, :]), (np.s_[:, shift:], np.s_[:, :-shift])):
            np.maximum(greatest[a], heights[b], out=greatest[a])
            np.maximum(greatest[b], heights[a], out=greatest[b])
        heights = greatest
        reached += shift
    return heights


@dataclass
class _Border:
    """The smooth segments of some cells, and what their borders are like.

    Attributes:
        label: raster of the segment's number, 0 outside.
        size: cells of each segment; what follows counts sides of cells along its border.
        length: all of them.
        edge: at the edge of the raster.
        smooth: without a step, to ground.
        steps: with a step down.
        drop: sum of the steps down in metres.
    """

    label: NDArray[np.int32]
    size: NDArray[np.int64]
    length: Raster
    edge: Raster
    smooth: Raster
    steps: Raster
    drop: Raster

    @classmethod
    def of(cls, heights: Raster, chosen: Mask, level: list[Mask], objects: Mask) -> _Border:
        """Of the chosen cells; `level` says where neighbours have no step between them."""
        label = _segments(chosen, level)
        size = _sizes(label)
        length, edge, smooth, steps, drop = np.zeros((5, len(size)))
        for (a, b), flat in zip(_PAIRS, level, strict=True):
            for inside, outside in ((a, b), (b, a)):
                at = (label[inside] > 0) & (label[inside] != label[outside])
                segment, even = label[inside][at], flat[at]
                fall = heights[inside][at] - heights[outside][at]
                ground = (label[outside][at] == 0) & ~objects[outside][at]
                length += np.bincount(segment, minlength=len(size))
                smooth += np.bincount(segment[even & ground], minlength=len(size))
                down = ~even & (fall > 0)
                steps += np.bincount(segment[down], minlength=len(size))
                drop += np.bincount(segment[down], fall[down], minlength=len(size))
        for side in (label[0], label[-1], label[:, 0], label[:, -1]):
            edge += np.bincount(side, minlength=len(size))
        return cls(label, size, length + edge, edge, smooth, steps, drop)

    def alone(self, share: float, step: float) -> Mask:
        """Segments that nothing joins to the ground: a share of the border has steps down.

        Their mean is more than `step`.
        """
        apart: Mask = self.smooth <= LOW_SMOOTH * self.steps
        return apart & (self.steps > share * self.length) & (self.drop > step * self.steps)

    def cells(self, segments: Mask) -> Mask:
        """The cells of some segments."""
        segments[0] = False
        return segments[self.label]


def _joined(heights: Raster, step: float) -> list[Mask]:
    """Whether there is less than a step to the next cell, down and to the right."""
    found = []
    for axis in (0, 1):
        rise = np.diff(heights, axis=axis)
        found.append(np.abs(rise, out=rise) < step)
    return found


def _sizes(label: NDArray[np.int32]) -> NDArray[np.int64]:
    """How many cells each segment has; np.bincount copies what it counts."""
    size = np.zeros(int(label.max()) + 1, np.int64)
    for top, bottom in _strips(label):
        size += np.bincount(label[top:bottom].reshape(-1), minlength=len(size))
    return size


def _segments(chosen: Mask, level: list[Mask]) -> NDArray[np.int32]:
    """Connected cells without a step between them, numbered from 1; 0 where not chosen.

    The nodes of the graph are runs of such cells along the rows, far fewer than cells.
    """
    if not chosen.any():
        return np.zeros(chosen.shape, np.int32)
    down, right = level
    begins = chosen.copy()
    begins[:, 1:] &= ~(chosen[:, :-1] & right)
    run = np.cumsum(begins, dtype=np.int32).reshape(chosen.shape)
    run -= 1
    joined = chosen[:-1] & chosen[1:] & down
    new = joined.copy()  # neither run goes on from a column where the two met already
    new[:, 1:] &= ~joined[:, :-1] | begins[:-1, 1:] | begins[1:, 1:]
    part = components(int(run[-1, -1]) + 1, run[:-1][new], run[1:][new])
    label: NDArray[np.int32] = (part + 1).astype(np.int32)[run]
    label[~chosen] = 0
    return label


def smooth_fill(values: Raster, known: Mask) -> Raster:
    """Values where known, elsewhere a smooth fill: each gap takes the mean one scale coarser."""
    return _pull_push(values, known)


def _pull_push(values: Raster, weight: NDArray[Any]) -> Raster:
    """Values of weights from 0 to 1, any value where the weight is 0, and the rest by the fill."""
    if values.size == 1 or weight.all():
        return np.where(weight > 0, values, 0.0)
    coarse = _pull_push(*_halved(values, weight))
    filled = np.empty_like(values)
    for top, bottom in _strips(values):
        u, v = np.indices((bottom - top, values.shape[1]))
        at = np.stack([(u + top - 0.5) / 2, (v - 0.5) / 2], axis=-1)
        rest = raster.at(coarse, at.reshape(-1, 2)).reshape(u.shape)
        own, share = _weighed(values[top:bottom], weight[top:bottom])
        filled[top:bottom] = own + (1 - share) * rest
    return filled


def _halved(values: Raster, weight: NDArray[Any]) -> tuple[Raster, Raster]:
    """Means of 2 x 2 cells, and their weights."""
    blocks = [(size + 1) // 2 for size in values.shape]
    means, weights = np.empty((2, *blocks), values.dtype)
    for top, bottom in _strips(values):
        pad = [(0, (bottom - top) % 2), (0, values.shape[1] % 2)]
        tiled = ((bottom - top + 1) // 2, 2, blocks[1], 2)
        part = slice(top // 2, (bottom + 1) // 2)
        both = _weighed(values[top:bottom], weight[top:bottom])
        sums, held = (np.pad(array, pad).reshape(tiled).sum(axis=(1, 3)) for array in both)
        means[part] = np.divide(sums, held, out=np.zeros_like(sums), where=held > 0)
        weights[part] = np.minimum(held, 1.0)
    return means, weights


def _weighed(values: Raster, weight: NDArray[Any]) -> tuple[Raster, Raster]:
    share = weight.astype(np.float64)
    return np.where(share > 0, values, 0.0) * share, share


def _strips(values: NDArray[Any]) -> list[tuple[int, int]]:
    """Even numbers of rows, of `CELLS` cells or so."""
    step = max(CELLS // values.shape[1] // 2 * 2, 2)
    rows = len(values)
    return [(top, min(top + step, rows)) for top in range(0, rows, step)]
