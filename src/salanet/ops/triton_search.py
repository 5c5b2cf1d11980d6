"""Radius search and nearest neighbours on a GPU: points sorted by cell, one warp for a few queries.

Cells are at least as wide as the radius, so that the 27 around a query hold all it can find; they
are numbered along x, so that these are nine runs of the sorted points.
"""

# mypy: disable-error-code="no-untyped-def, assignment, misc"

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from salanet.ops.point_index import PointIndex
from salanet.ops.triton_runtime import launch, power_of_two, tl, triton

_QUERIES_AT_ONCE = 1 << 19
_WIDER = 1 + 1e-5  # cells than the radius: more than float32 distances are off
_FAR = tl.constexpr(0x7FFFFFFFFFFFFFFF)


@triton.jit(do_not_specialize=["m", "missing"])
def _search(
    queries,
    points,
    rows,
    begins,
    ends,
    found,
    m,
    missing,
    k,
    limit,
    KP: tl.constexpr,
    BQ: tl.constexpr,
    CHUNK: tl.constexpr,
):
    i = tl.program_id(0) * BQ + tl.arange(0, BQ)
    inside = i < m
    i = i.to(tl.int64)
    # Candidate t of a query lies at t + shift[u] while t < stop[u]: nine runs made one.
    shift = ()
    stop = ()
    total = tl.zeros((BQ,), tl.int32)
    for u in tl.static_range(9):
        begin = tl.load(begins + i * 9 + u, mask=inside, other=0)
        shift = shift + (begin - total,)
        total += tl.load(ends + i * 9 + u, mask=inside, other=0) - begin
        stop = stop + (total,)
    qx = tl.load(queries + 3 * i, mask=inside, other=0.0)[:, None]
    qy = tl.load(queries + 3 * i + 1, mask=inside, other=0.0)[:, None]
    qz = tl.load(queries + 3 * i + 2, mask=inside, other=0.0)[:, None]

    # What is ordered is (distance, row) in one integer: the bits of a positive float rise with it.
    best = tl.full((BQ, KP), _FAR, tl.int64)
    for first in range(0, tl.max(total, axis=0), CHUNK):
        t = first + tl.arange(0, CHUNK)[None, :]
        at = t + shift[8][:, None]
        for u in tl.static_range(8):
            at = tl.where((t < stop[7 - u][:, None]), t + shift[7 - u][:, None], at)
        valid = t < total[:, None]
        at = at.to(tl.int64)
        x = qx - tl.load(points + 3 * at, mask=valid, other=0.0)
        y = qy - tl.load(points + 3 * at + 1, mask=valid, other=0.0)
        z = qz - tl.load(points + 3 * at + 2, mask=valid, other=0.0)
        row = tl.load(rows + at, mask=valid, other=0).to(tl.int64)
        distance = (x * x + y * y) + z * z
        key = (distance.to(tl.int32, bitcast=True).to(tl.int64) << 32) | row
        key = tl.where(valid & (distance < limit), key, _FAR)
        if KP == 1:
            best = tl.minimum(best, tl.min(key, axis=1)[:, None])
        else:
            worst = tl.max(best, axis=1)[:, None]
            if tl.max(tl.max((key < worst).to(tl.int32), axis=1), axis=0) > 0:
                # Of two sorted rows, one reversed, the smaller of each pair are the smallest.
                best = tl.sort(tl.minimum(best, tl.sort(key, descending=True)))

    slot = tl.arange(0, KP)[None, :]
    row = tl.where(best == _FAR, missing, (best & 0xFFFFFFFF).to(tl.int32))
    tl.store(found + i[:, None] * k + slot, row, mask=inside[:, None] & (slot < k))


@dataclass
class _Cells:
    """Supports sorted by cloud, z, y and x of their cell."""

    points: Tensor  # (N, 3)
    rows: Tensor  # int32 (N,), where they come from
    keys: Tensor  # int64 (N,), rising
    low: Tensor  # float64 (3,), the corner of cell 0
    shape: Tensor  # int64 (3,), cells along x, y, z
    width: Tensor  # float64 (), of a cell
    radius: float  # the largest these cells serve

    @classmethod
    def of(cls, supports: PointIndex, radius: float) -> _Cells:
        points = supports.points.double()
        low = points.amin(0)
        extent = points.amax(0) - low
        # So many cells along an axis that (cloud, z, y, x) fits in 62 bits.
        most = 2 ** ((62 - len(supports.splits).bit_length()) // 3) - 1
        width = (extent.amax() / most).clamp_min(radius * _WIDER)
        cell = ((points - low) / width).floor().long()
        shape = cell.amax(0) + 1
        keys, order = _key(_clouds(supports), cell[:, 2], cell[:, 1], cell[:, 0], shape).sort()
        return cls(supports.points[order], order.int(), keys, low, shape, width, radius)

    def runs(self, queries: Tensor, clouds: Tensor) -> tuple[Tensor, Tensor]:
        """Where each of the nine runs around each query begins and ends: int32 (M, 9) each."""
        cell = ((queries.double() - self.low) / self.width).floor()
        x, y, z = cell.clamp(self.shape.new_tensor(-2), self.shape + 1).long().unbind(1)
        step = torch.tensor([-1, 0, 1], device=x.device)
        z = (z[:, None] + step.repeat_interleave(3)).contiguous()  # (M, 9)
        y = (y[:, None] + step.repeat(3)).contiguous()
        columns, rows, layers = self.shape
        first = (x[:, None] - 1).clamp_min(0).expand_as(y)
        last = torch.minimum(x[:, None] + 1, columns - 1).expand_as(y)
        there = (z >= 0) & (z < layers) & (y >= 0) & (y < rows) & (first <= last)
        cloud = clouds[:, None]
        begins = torch.searchsorted(self.keys, _key(cloud, z, y, first, self.shape), out_int32=True)
        ends = torch.searchsorted(
            self.keys, _key(cloud, z, y, last, self.shape), out_int32=True, right=True
        )
        return begins, torch.where(there, ends, begins)


# The cells last used for an index: neighbours within a level and pooling from it share them.
_cells: WeakKeyDictionary[PointIndex, _Cells] = WeakKeyDictionary()


def radius_search(queries: PointIndex, supports: PointIndex, radius: float, k: int) -> Tensor:
    """See `salanet.ops.radius_search`."""
    _require_finite(queries, supports)
    limit = torch.tensor(radius, dtype=torch.float32).square().item()
    return _found(queries.points, _clouds(queries), supports, radius, limit, k)


def nearest(queries: PointIndex, supports: PointIndex) -> Tensor:
    """See `salanet.ops.nearest`.

    Searches within a radius that doubles until every query has found a support: whatever lies
    within some radius is nearer than whatever does not.
    """
    _require_finite(queries, supports)
    found = torch.full((len(queries),), len(supports), dtype=torch.int32, device=queries.device)
    if len(queries) == 0:
        return found
    clouds = _clouds(queries)
    span, radius = _scales(queries.points, supports.points)
    left = torch.arange(len(queries), device=queries.device)
    while len(left):
        everything = radius > 2 * span
        limit = torch.inf if everything else radius * radius
        rows = _found(queries.points[left], clouds[left], supports, radius, limit, 1)[:, 0]
        found[left] = rows
        left = left[rows == len(supports)]
        if everything:  # distances that overflow are equal
            first = supports.splits[:-1].to(found)
            found[left] = first[clouds[left]]
            break
        radius *= 2
    return found


def _scales(queries: Tensor, supports: Tensor) -> tuple[float, float]:
    """How far apart points can be, and about how far neighbouring supports are."""
    low, high = supports.double().aminmax(dim=0)
    span = torch.maximum(high, queries.amax(0)) - torch.minimum(low, queries.amin(0))
    whole = float(span.norm())
    extent = (high - low).clamp_min(1e-3 * float((high - low).amax()))
    spacing = float((extent.prod() / len(supports)) ** (1 / 3))
    return whole, spacing or whole or 1.0


def _found(
    queries: Tensor, clouds: Tensor, supports: PointIndex, radius: float, limit: float, k: int
) -> Tensor:
    """int32 (M, k): the k nearest supports of which the squared distance is below `limit`."""
    n = len(supports)
    found = torch.full((len(queries), k), n, dtype=torch.int32, device=queries.device)
    if n == 0:
        return found
    cells = _cells.get(supports)
    if cells is None or cells.radius != radius:
        _cells[supports] = cells = _Cells.of(supports, radius)
    best = power_of_two(k)
    chunk = max(32, best) if k == 1 else best
    for at in range(0, len(queries), _QUERIES_AT_ONCE):
        part = queries[at : at + _QUERIES_AT_ONCE]
        begins, ends = cells.runs(part, clouds[at : at + _QUERIES_AT_ONCE])
        block = max(1, 128 // chunk)
        launch(
            _search,
            (triton.cdiv(len(part), block),),
            part,
            cells.points,
            cells.rows,
            begins,
            ends,
            found[at : at + _QUERIES_AT_ONCE],
            len(part),
            n,
            k,
            limit,
            KP=best,
            BQ=block,
            CHUNK=chunk,
            enable_fp_fusion=False,  # a fused multiply-add rounds once: other distances
        )
    return found


def _key(cloud: Tensor, z: Tensor, y: Tensor, x: Tensor, shape: Tensor) -> Tensor:
    return ((cloud * shape[2] + z) * shape[1] + y) * shape[0] + x


def _clouds(index: PointIndex) -> Tensor:
    """int64 (N,): the cloud of each point."""
    clouds = len(index.splits) - 1
    each = torch.repeat_interleave(torch.arange(clouds), index.splits.diff())
    return each.to(index.device)


def _require_finite(queries: PointIndex, supports: PointIndex) -> None:
    queries.require_finite()
    if supports is not queries:
        supports.require_finite()
