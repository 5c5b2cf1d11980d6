"""What subsampling leaves, whichever kernels did it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor


@dataclass
class GridSubsample:
    """What is left of N points in B clouds when each of M occupied cells keeps one.

    Cells are in the order of their cloud, then z, y, x.

    Attributes:
        points: (M, 3), the barycentre of each cell, in the dtype of the input.
        splits: int64 (B + 1,).
        cells: int32 (N,), the row of each input point's cell.
        features: the mean of each feature, float32 (M,) or (M, C), by name.
        labels: the majority label, (M,), in the dtype of the input; a dict of them by name if a
            dict was given. The lowest label wins ties; a negative one (unlabelled) wins only
            where all are negative.
    """

    points: Tensor
    splits: Tensor
    cells: Tensor
    features: dict[str, Tensor]
    labels: Any
