"""Triton, which is optional: every file with kernels takes it from here.

With TRITON_INTERPRET=1 in the environment before the first import, the kernels run in Triton's
interpreter, on CPU tensors as well; that is how they are tested without a GPU.
"""

from __future__ import annotations

import os
from typing import Any

import torch

from salanet.errors import MissingExtraError

try:
    import triton
    from triton import language as tl
except ImportError as error:
    raise MissingExtraError("triton", "gpu") from error

__all__ = ["INTERPRETED", "launch", "power_of_two", "tl", "triton"]

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"


def power_of_two(count: int) -> int:
    """The smallest power of two that is at least ``count``: the only lengths a tile may have."""
    return max(1, 1 << (count - 1).bit_length())


def launch(kernel: Any, grid: tuple[int, ...], *arguments: Any, **options: Any) -> None:
    """Run a kernel on the device of its first argument, one warp to a program.

    Multiply-adds are fused unless `enable_fp_fusion` says otherwise.
    """
    with torch.cuda.device_of(arguments[0]):
        kernel[grid](*arguments, **{"num_warps": 1, "enable_fp_fusion": True, **options})
