"""The nearest point, however far."""

from __future__ import annotations

import torch
from torch import Tensor

from salanet.errors import DataError
from salanet.ops.dispatch import current_backend, threads
from salanet.ops.point_index import PointIndex
from salanet.ops.radius_search import _PAIRS_AT_ONCE, paired, squared_distances


def nearest(
    queries: Tensor | PointIndex,
    supports: Tensor | PointIndex,
    query_splits: Tensor | None = None,
    support_splits: Tensor | None = None,
) -> Tensor:
    """For each query, the nearest support of the same cloud.

    Arguments and distances are those of :func:`radius_search`.

    Returns:
        int32 (M,) rows of ``supports``; of equally near ones the lowest row.

    Raises:
        DataError: as :func:`radius_search`, and for a cloud with queries but no supports.
    """
    queries, supports = paired(queries, supports, query_splits, support_splits)
    for cloud, (asked, offered) in enumerate(
        zip(queries.splits.diff().tolist(), supports.splits.diff().tolist(), strict=True)
    ):
        if asked and not offered:
            raise DataError(f"cloud {cloud} has {asked} queries but no supports to find")
    chosen = current_backend(queries.device)
    if chosen == "reference":
        return _reference(queries, supports)
    if chosen == "triton":
        from salanet.ops import triton_search

        return triton_search.nearest(queries, supports)
    found = torch.empty(len(queries), dtype=torch.int32)
    queries.native.nearest(supports.native, found.numpy(), threads())
    return found.to(queries.device)


def _reference(queries: PointIndex, supports: PointIndex) -> Tensor:
    queries.require_finite()
    supports.require_finite()
    found = torch.empty(len(queries), dtype=torch.int32, device=queries.device)
    for (begin, end), (first, last) in zip(queries.clouds(), supports.clouds(), strict=True):
        step = max(1, _PAIRS_AT_ONCE // max(1, last - first))
        for at in range(begin, end, step):
            to = min(at + step, end)
            distances = squared_distances(queries.points[at:to], supports.points[first:last])
            order = distances.sort(dim=1, stable=True).indices[:, 0]
            found[at:to] = (order + first).int()
    return found
