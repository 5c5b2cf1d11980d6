"""Stacked clouds sorted once, for any number of searches."""

from __future__ import annotations

from functools import cached_property
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from salanet.ops.checks import checked_points, checked_splits, require_finite
from salanet.ops.dispatch import threads


class PointIndex:
    """Clouds to search in, or to search for.

    :func:`radius_search` and :func:`nearest` take one wherever they take points. The native
    kernels sort the points on first use; what they build depends on neither radius nor count, so
    one index serves every search over the same points.

    Args:
        points: float32 (N, 3), finite.
        splits: int64 (B + 1,) prefix offsets of the B clouds; None for one cloud.
        name: what error messages call the points.

    Raises:
        DataError: for another shape or dtype, or splits that do not cut N points.
    """

    def __init__(self, points: Tensor, splits: Tensor | None = None, name: str = "points") -> None:
        self.points = checked_points(points, name, (torch.float32,))
        self.splits = checked_splits(splits, len(points), name)
        self.name = name

    @classmethod
    def of(cls, points: Tensor | PointIndex, splits: Tensor | None, name: str) -> PointIndex:
        """``points`` themselves if they are an index already."""
        return points if isinstance(points, PointIndex) else cls(points, splits, name)

    def __len__(self) -> int:
        return len(self.points)

    @property
    def device(self) -> torch.device:
        return self.points.device

    def clouds(self) -> list[tuple[int, int]]:
        """The (begin, end) of each cloud."""
        return list(pairwise(self.splits.tolist()))

    def require_finite(self) -> None:
        """Raise DataError if a coordinate is NaN or infinite."""
        require_finite(self.points, self.name)

    @cached_property
    def native(self) -> Any:
        """The sorted points of the native kernels."""
        from salanet import _geometry

        return _geometry.PointIndex(
            self.points.cpu().numpy(), self.splits.numpy(), self.name, threads()
        )
