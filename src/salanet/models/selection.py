"""Choosing points of stacked clouds: farthest, at random, nearest. All deterministic."""

from __future__ import annotations

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from salanet.models.network import clouds
from salanet.ops.aggregation.weighted_native import farthest


def farthest_points(points: Tensor, splits: Tensor, ratio: float) -> tuple[Tensor, Tensor]:
    """One point in `ratio` of each cloud, each time the one farthest from those chosen before.

    Args:
        points: float32 (N, 3).
        splits: int64 (B + 1,).
        ratio: a cloud of n points keeps n / ratio of them, rounded down, but at least one,
            starting with its first. The time grows with n² / ratio: two seconds for 200,000 points
            and a ratio of 8.

    Returns:
        rows int64 (M,) and their splits (B + 1,).
    """
    chosen = [
        rows.start + farthest(points[rows].cpu().float(), _kept(rows, ratio)).numpy()
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


def _kept(rows: slice, ratio: float) -> int:
    size = rows.stop - rows.start
    return min(int(size), max(1, int(size // ratio)))


def _stacked(chosen: list[np.ndarray]) -> tuple[Tensor, Tensor]:
    rows = np.concatenate(chosen) if chosen else np.empty(0, dtype=np.int64)
    splits = np.cumsum([0, *map(len, chosen)])
    return torch.from_numpy(rows), torch.from_numpy(splits)
