"""One point per occupied grid cell."""

from __future__ import annotations

import torch
from torch import Tensor

from salanet.errors import DataError
from salanet.ops.checks import checked_points, checked_splits, positive, require_finite
from salanet.ops.dispatch import current_backend, threads
from salanet.ops.subsampled import GridSubsample

_MEAN_DTYPES = (torch.uint8, torch.float32, torch.float64)
_LABEL_DTYPES = (torch.uint8, torch.int16, torch.int32, torch.int64)


def grid_subsample(
    points: Tensor,
    cell_size: float,
    splits: Tensor | None = None,
    features: dict[str, Tensor] | None = None,
    labels: dict[str, Tensor] | Tensor | None = None,
) -> GridSubsample:
    """Average the points of each cell of a regular grid.

    The cell of a point is floor(p / cell_size), computed in float64 on the coordinates as given,
    so that tiles of one survey agree on their cells. Sums are float64 in the order of the points.

    Args:
        points: float32 or float64 (N, 3), finite.
        cell_size: above zero, in the units of the points.
        splits: int64 (B + 1,) prefix offsets; clouds never share a cell. None for one cloud.
        features: arrays (N,) or (N, C) to average, by name.
        labels: an integer array (N,) to vote on, or several by name.

    Raises:
        DataError: for arguments that break these rules, or cells too small to be numbered in
            64 bits over the extent of the points.
    """
    points = checked_points(points, "points", (torch.float32, torch.float64))
    splits = checked_splits(splits, len(points), "points")
    positive(cell_size, "the cell size")
    if isinstance(labels, Tensor):
        result = grid_subsample(points, cell_size, splits, features, {"labels": labels})
        result.labels = result.labels["labels"]
        return result
    features, labels = features or {}, labels or {}
    for name, values in (features | labels).items():
        if values.ndim == 0 or len(values) != len(points):
            raise DataError(f"'{name}' has shape {tuple(values.shape)} for {len(points)} points")
    for name, values in labels.items():
        if values.dtype.is_floating_point or values.ndim != 1:
            raise DataError(f"labels '{name}' must be integers of shape (N,)")
    chosen = current_backend(points.device)
    if chosen == "reference":
        return _reference(points, cell_size, splits, features, labels)
    if chosen == "triton":
        from salanet.ops import triton_subsample

        return triton_subsample.grid_subsample(points, cell_size, splits, features, labels)
    return _native(points, cell_size, splits, features, labels)


def _rows(values: Tensor) -> Tensor:
    return values[:, None] if values.ndim == 1 else values.flatten(1)


def _native(
    points: Tensor,
    cell_size: float,
    splits: Tensor,
    features: dict[str, Tensor],
    labels: dict[str, Tensor],
) -> GridSubsample:
    from salanet import _geometry

    device, points, workers = points.device, points.cpu(), threads()
    grid = _geometry.Grid(points.numpy(), cell_size, splits.numpy(), workers)

    def mean(values: Tensor, dtype: torch.dtype) -> Tensor:
        values = values.detach().cpu().contiguous()
        if values.dtype not in _MEAN_DTYPES:
            values = values.double()
        out = torch.empty((grid.count, *values.shape[1:]), dtype=dtype)
        grid.mean(_rows(values).numpy(), _rows(out).numpy(), workers)
        return out.to(device)

    def majority(values: Tensor) -> Tensor:
        values = values.detach().cpu().contiguous()
        known = values if values.dtype in _LABEL_DTYPES else values.long()
        out = torch.empty(grid.count, dtype=known.dtype)
        grid.majority(known.numpy(), out.numpy(), workers)
        return out.to(device, values.dtype)

    cells = torch.empty(len(points), dtype=torch.int32)
    grid.cells(cells.numpy(), workers)
    kept = torch.empty_like(splits)
    grid.splits(kept.numpy())
    return GridSubsample(
        mean(points, points.dtype),
        kept,
        cells.to(device),
        {name: mean(values, torch.float32) for name, values in features.items()},
        {name: majority(values) for name, values in labels.items()},
    )


def _reference(
    points: Tensor,
    cell_size: float,
    splits: Tensor,
    features: dict[str, Tensor],
    labels: dict[str, Tensor],
) -> GridSubsample:
    require_finite(points, "points")
    xyz = torch.floor(points.double() / cell_size)
    clouds = len(splits) - 1
    _require_numberable(xyz, clouds, cell_size)
    cloud = torch.repeat_interleave(torch.arange(clouds), splits.diff()).to(points.device)
    keys = torch.cat([cloud[:, None], xyz.long().flip(1)], dim=1)
    unique, cells, counts = keys.unique(dim=0, return_inverse=True, return_counts=True)

    def mean(values: Tensor, dtype: torch.dtype) -> Tensor:
        columns = _rows(values.detach().double()).unbind(1)
        sums = [torch.bincount(cells, column, len(unique)) for column in columns]
        means = torch.stack([total / counts for total in sums], dim=1)
        return means.to(dtype).reshape(len(unique), *values.shape[1:])

    def majority(values: Tensor) -> Tensor:
        # Votes by (cell, label); the cells' best votes come first when sorted by -votes, then
        # label, and negative labels come after all others.
        pairs = torch.stack([cells, values.long()], dim=1)
        pairs, votes = pairs.unique(dim=0, return_counts=True)  # sorted by cell, then label
        rank = votes + (pairs[:, 1] >= 0) * len(values)
        order = torch.sort(-rank, stable=True).indices
        order = order[torch.sort(pairs[order, 0], stable=True).indices]
        candidates = torch.bincount(pairs[:, 0], minlength=len(unique))
        best = order[candidates.cumsum(0) - candidates]
        winner: Tensor = pairs[best, 1].to(values.dtype)
        return winner

    kept = torch.bincount(unique[:, 0], minlength=clouds).cpu().cumsum(0)
    return GridSubsample(
        mean(points, points.dtype),
        torch.cat([kept.new_zeros(1), kept]),
        cells.int(),
        {name: mean(values, torch.float32) for name, values in features.items()},
        {name: majority(values) for name, values in labels.items()},
    )


def _require_numberable(cells: Tensor, clouds: int, cell_size: float) -> None:
    """Raise DataError where the native kernel, too, would run out of bits."""
    if len(cells) == 0:
        return
    low, high = (corner.tolist() for corner in cells.aminmax(dim=0))
    if max(map(abs, low + high)) >= 2.0**53:
        raise DataError(f"cells of {cell_size} are too small for coordinates this large")
    spans = [int(last - first) for first, last in zip(low, high, strict=True)]
    if sum(span.bit_length() for span in [*spans, clouds - 1]) > 64:
        raise DataError(
            f"the points span too many cells of {cell_size} to number them in 64 bits: "
            "use larger cells, or remove far outliers"
        )
