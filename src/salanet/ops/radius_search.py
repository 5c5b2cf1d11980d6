"""The K nearest points within a radius."""

from __future__ import annotations

import torch
from torch import Tensor

from salanet.errors import DataError
from salanet.ops.checks import positive
from salanet.ops.dispatch import current_backend, threads
from salanet.ops.point_index import PointIndex

_PAIRS_AT_ONCE = 1 << 22


def radius_search(
    queries: Tensor | PointIndex,
    supports: Tensor | PointIndex,
    radius: float,
    k: int,
    query_splits: Tensor | None = None,
    support_splits: Tensor | None = None,
) -> Tensor:
    """For each query, its ``k`` nearest supports of the same cloud strictly within ``radius``.

    The search is exact. Distances are float32: (dx² + dy²) + dz² is compared with radius², each
    operation rounded, so that every backend finds the same neighbours, in the same order.

    Args:
        queries: float32 (M, 3), or an index of them.
        supports: float32 (N, 3), or an index of them.
        radius: above zero, in the units of the points.
        k: at least 1.
        query_splits, support_splits: int64 (B + 1,), the same number of clouds in both; None for
            one cloud.

    Returns:
        int32 (M, k) rows of ``supports``, nearest first, equal distances by lower row; N, the
        number of supports, where there are fewer than k.

    Raises:
        DataError: for arguments that break these rules, or coordinates that are not finite.
    """
    queries, supports = paired(queries, supports, query_splits, support_splits)
    positive(radius, "the radius")
    if k < 1:
        raise DataError(f"k must be at least 1, not {k}")
    chosen = current_backend(queries.device)
    if chosen == "reference":
        return _reference(queries, supports, radius, k)
    if chosen == "triton":
        from salanet.ops import triton_search

        return triton_search.radius_search(queries, supports, radius, k)
    found = torch.empty((len(queries), k), dtype=torch.int32)
    queries.native.radius_search(supports.native, radius, found.numpy(), threads())
    return found.to(queries.device)


def paired(
    queries: Tensor | PointIndex,
    supports: Tensor | PointIndex,
    query_splits: Tensor | None,
    support_splits: Tensor | None,
) -> tuple[PointIndex, PointIndex]:
    """Both as indices (the same one if they are the same points), with equally many clouds."""
    same = queries is supports and query_splits is support_splits
    queries = PointIndex.of(queries, query_splits, "queries")
    supports = queries if same else PointIndex.of(supports, support_splits, "supports")
    if len(queries.splits) != len(supports.splits):
        raise DataError(
            f"queries hold {len(queries.splits) - 1} clouds, "
            f"supports {len(supports.splits) - 1}: each query cloud needs its own supports"
        )
    return queries, supports


def squared_distances(queries: Tensor, supports: Tensor) -> Tensor:
    """(M, N), float32, in the order of operations that defines a distance here."""
    x, y, z = (queries[:, None] - supports[None]).unbind(-1)
    return x * x + y * y + z * z


def _reference(queries: PointIndex, supports: PointIndex, radius: float, k: int) -> Tensor:
    queries.require_finite()
    supports.require_finite()
    missing = len(supports)
    found = torch.full((len(queries), k), missing, dtype=torch.int32, device=queries.device)
    limit = torch.tensor(radius, dtype=torch.float32).square().item()
    for (begin, end), (first, last) in zip(queries.clouds(), supports.clouds(), strict=True):
        if first == last:
            continue
        step = max(1, _PAIRS_AT_ONCE // (last - first))
        for at in range(begin, end, step):
            to = min(at + step, end)
            distances = squared_distances(queries.points[at:to], supports.points[first:last])
            distances, order = distances.sort(dim=1, stable=True)
            distances, order = distances[:, :k], order[:, :k] + first
            order[~(distances < limit)] = missing
            found[at:to, : order.shape[1]] = order.int()
    return found
