"""Choosing points of stacked clouds: farthest, at random, nearest. All deterministic."""

from __future__ import annotations

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from salanet.models.network import clouds


def farthest_points(points: Tensor, splits: Tensor, ratio: int) -> tuple[Tensor, Tensor]:
    """One point in `ratio` of each cloud, each time the one farthest from those chosen before.

    Args:
        points: float32 (N, 3).
        splits: int64 (B + 1,).
        ratio: a cloud of n points keeps n // ratio of them, at least one, starting with its first.

    Returns:
        rows int64 (M,) and their splits (B + 1,).
    """
    chosen = [
        rows.start + _farthest(points[rows].cpu().numpy(), _kept(rows, ratio))
        for rows in clouds(splits)
    ]
    return _stacked(chosen)


def random_points(splits: Tensor, ratio: int) -> tuple[Tensor, Tensor]:
    """One point in `ratio` of each cloud at random; which ones depends on the cloud's size alone.

    Returns:
        rows int64 (M,) and their splits (B + 1,).
    """
    chosen = []
    for rows in clouds(splits):
        size = rows.stop - rows.start
        order = np.random.default_rng(size).permutation(size)
        chosen.append(rows.start + order[: _kept(rows, ratio)])
    return _stacked(chosen)


def nearest_neighbours(
    queries: Tensor, supports: Tensor, k: int, query_splits: Tensor, support_splits: Tensor
) -> Tensor:
    """The k nearest supports of the same cloud, however far: int32 (M, k), nearest first.

    Clouds of fewer than k supports leave entries missing: they hold the number of supports.
    """
    out = np.full((len(queries), k), len(supports), dtype=np.int32)
    for of, among in zip(clouds(query_splits), clouds(support_splits), strict=True):
        size = min(k, among.stop - among.start)
        if size == 0 or of.stop == of.start:
            continue
        tree = cKDTree(supports[among].cpu().numpy())
        _, found = tree.query(queries[of].cpu().numpy(), k=range(1, size + 1), workers=-1)
        out[of, :size] = among.start + found
    return torch.from_numpy(out).to(queries.device)


def _kept(rows: slice, ratio: int) -> int:
    size = rows.stop - rows.start
    return min(size, max(1, size // ratio))


def _farthest(points: np.ndarray, count: int) -> np.ndarray:
    chosen = np.zeros(count, dtype=np.int64)
    columns = np.ascontiguousarray(points.T)
    distance = np.full(len(points), np.inf, dtype=points.dtype)
    for i in range(1, count):
        last = chosen[i - 1]
        square = sum((axis - axis[last]) ** 2 for axis in columns)
        np.minimum(distance, square, out=distance)
        chosen[i] = distance.argmax()
    return chosen


def _stacked(chosen: list[np.ndarray]) -> tuple[Tensor, Tensor]:
    rows = np.concatenate(chosen) if chosen else np.empty(0, dtype=np.int64)
    splits = np.cumsum([0, *map(len, chosen)])
    return torch.from_numpy(rows), torch.from_numpy(splits)
