"""Grid subsampling on a GPU: points sorted by cell, means summed in the order of the points."""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import torch
from torch import Tensor

from salanet.errors import DataError
from salanet.ops.checks import require_finite
from salanet.ops.subsampled import GridSubsample
from salanet.ops.triton_runtime import launch, power_of_two, tl, triton


@triton.jit(do_not_specialize=["cells"])
def _mean(values, order, starts, out, cells, width, BM: tl.constexpr, BC: tl.constexpr):
    cell = tl.program_id(0) * BM + tl.arange(0, BM)
    c = tl.program_id(1) * BC + tl.arange(0, BC)
    inside = cell < cells
    used = (c < width)[None, :]
    begin = tl.load(starts + cell, mask=inside, other=0)
    count = tl.load(starts + cell + 1, mask=inside, other=1) - begin
    total = tl.zeros((BM, BC), tl.float64)
    for step in range(tl.max(count, axis=0)):
        valid = inside & (step < count)
        row = tl.load(order + begin + step, mask=valid, other=0).to(tl.int64)
        at = values + row[:, None] * width + c[None, :]
        total += tl.load(at, mask=valid[:, None] & used, other=0).to(tl.float64)
    mean = total / count[:, None].to(tl.float64)
    target = out + cell.to(tl.int64)[:, None] * width + c[None, :]
    tl.store(target, mean.to(out.dtype.element_ty), mask=inside[:, None] & used)


def grid_subsample(
    points: Tensor,
    cell_size: float,
    splits: Tensor,
    features: dict[str, Tensor],
    labels: dict[str, Tensor],
) -> GridSubsample:
    """See `salanet.ops.grid_subsample`."""
    require_finite(points, "points")
    clouds = torch.repeat_interleave(torch.arange(len(splits) - 1), splits.diff())
    clouds = clouds.to(points.device)
    keys, order = _keys(points, cell_size, clouds).sort(stable=True)
    _, cell, counts = keys.unique_consecutive(return_inverse=True, return_counts=True)
    cells = torch.empty_like(order, dtype=torch.int32)
    cells[order] = cell.int()
    starts = torch.cat([counts.new_zeros(1), counts.cumsum(0)]).int()
    # The cloud of a cell is that of its first point.
    kept = torch.bincount(clouds[order[starts[:-1].long()]], minlength=len(splits) - 1)
    kept = kept.cpu().cumsum(0)
    order = order.int()

    def mean(values: Tensor, dtype: torch.dtype) -> Tensor:
        values = values.detach().to(points.device).contiguous()
        out = torch.empty((len(counts), *values.shape[1:]), dtype=dtype, device=points.device)
        width = values[:1].numel()
        if out.numel():
            block = min(64, power_of_two(width))
            rows = 128 // block
            launch(
                _mean,
                (triton.cdiv(len(counts), rows), triton.cdiv(width, block)),
                values,
                order,
                starts,
                out,
                len(counts),
                width,
                BM=rows,
                BC=block,
            )
        return out

    return GridSubsample(
        mean(points, points.dtype),
        torch.cat([kept.new_zeros(1), kept]),
        cells,
        {name: mean(values, torch.float32) for name, values in features.items()},
        {name: _majority(cells, starts, values) for name, values in labels.items()},
    )


def _keys(points: Tensor, cell_size: float, clouds: Tensor) -> Tensor:
    """int64 (N,): the number of each point's cell, by cloud, then z, y, x."""
    cell = (points.double() / cell_size).floor()
    if len(cell) == 0:
        return clouds
    low, high = (bound.tolist() for bound in cell.aminmax(dim=0))
    if max(map(abs, low + high)) >= 2.0**53:
        raise DataError(f"cells of {cell_size} are too small for coordinates this large")
    columns, rows, layers = (int(last - first) + 1 for first, last in zip(low, high, strict=True))
    if columns * rows * layers * (int(clouds[-1]) + 1) >= 2**63:
        raise DataError(
            f"the points span too many cells of {cell_size} to number them in 64 bits: "
            "use larger cells, or remove far outliers"
        )
    x, y, z = (cell - cell.amin(0)).long().unbind(1)
    return ((clouds * layers + z) * rows + y) * columns + x


def _majority(cells: Tensor, starts: Tensor, values: Tensor) -> Tensor:
    """The commonest label of each cell, the lowest of equals; negative ones only where alone."""
    values = values.detach().to(cells.device)
    known, label = values.unique(return_inverse=True)  # rising
    if len(known) == 0:
        return values
    pairs, votes = (cells.long() * len(known) + label).unique(return_counts=True)
    cell, label = pairs // len(known), pairs % len(known)
    # Any label beats the negative ones. Sorted by cell, then votes; of equals the lowest is first.
    weight = votes + (known[label] >= 0) * len(values)
    order = weight.sort(descending=True, stable=True).indices
    order = order[cell[order].sort(stable=True).indices]
    sizes = torch.bincount(cell, minlength=len(starts) - 1)
    winner: Tensor = known[label[order[sizes.cumsum(0) - sizes]]]
    return winner
