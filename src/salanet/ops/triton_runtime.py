"""Triton, which is optional: every file with kernels takes it from here.

With TRITON_INTERPRET=1 in the environment before the first import, the kernels run in Triton's
interpreter, on CPU tensors as well; that is how they are tested without a GPU.
"""

from __future__ import annotations

import os

from salanet.errors import MissingExtraError

try:
    import triton
    from triton import language as tl
except ImportError as error:
    raise MissingExtraError("triton", "gpu") from error

__all__ = ["INTERPRETED", "power_of_two", "tl", "triton"]

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"


def power_of_two(count: int) -> int:
    """The smallest power of two that is at least ``count``: the only lengths a tile may have."""
    return max(1, 1 << (count - 1).bit_length())
