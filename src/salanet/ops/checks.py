"""What every operation on clouds asks of its arguments."""

from __future__ import annotations

import torch
from torch import Tensor

from salanet.errors import DataError

MAX_POINTS = 2**31 - 1  # indices are int32


def checked_points(points: Tensor, name: str, dtypes: tuple[torch.dtype, ...]) -> Tensor:
    """``points`` made contiguous, if they are (N, 3) of one of ``dtypes``."""
    if points.ndim != 2 or points.shape[1] != 3:
        raise DataError(f"{name} must have shape (N, 3), not {tuple(points.shape)}")
    if points.dtype not in dtypes:
        wanted = " or ".join(str(dtype).removeprefix("torch.") for dtype in dtypes)
        raise DataError(
            f"{name} must be {wanted}, not {str(points.dtype).removeprefix('torch.')} "
            "(subtract an offset from large coordinates before making them float32)"
        )
    if len(points) >= MAX_POINTS:
        raise DataError(f"{name} holds {len(points)} points; the most is {MAX_POINTS - 1}")
    return points.detach().contiguous()


def checked_splits(splits: Tensor | None, count: int, name: str) -> Tensor:
    """``splits`` as int64 on the CPU, if they cut ``count`` points up; None is one cloud."""
    if splits is None:
        return torch.tensor([0, count])
    if splits.ndim != 1 or len(splits) == 0 or splits.dtype.is_floating_point:
        raise DataError(f"the splits of {name} must be integers of shape (clouds + 1,)")
    splits = splits.to("cpu", torch.int64)
    values = splits.tolist()
    if values[0] != 0 or values[-1] != count or sorted(values) != values:
        raise DataError(
            f"the splits of {name} must rise from 0 to the {count} points, not {values[:8]}"
            + ("…" if len(values) > 8 else "")
        )
    return splits.contiguous()


def require_finite(points: Tensor, name: str) -> None:
    """Raise DataError naming the first point with a NaN or infinite coordinate."""
    bad = ~points.isfinite().all(dim=1)
    if bad.any():
        first = int(bad.nonzero()[0])
        raise DataError(f"point {first} of {name} has a NaN or infinite coordinate")


def positive(value: float, name: str) -> float:
    """``value`` as a float, if it is finite and above zero."""
    if not 0 < float(value) < float("inf"):
        raise DataError(f"{name} must be a positive number, not {value}")
    return float(value)
