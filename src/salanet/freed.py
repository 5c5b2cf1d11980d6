"""Memory that is free, and that the allocator of the system would keep."""

from __future__ import annotations

import ctypes
from contextlib import suppress


def release_memory() -> None:
    """Give memory that is free back to the system, where its allocator keeps it (glibc).

    What one phase of some work has freed lies in pieces among what it leaves, and the next phase
    hardly fits there.
    """
    with suppress(OSError, AttributeError, TypeError):  # other systems give it back, or cannot
        ctypes.CDLL(None).malloc_trim(0)
