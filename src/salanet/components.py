"""Connected components of a graph given by its edges."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def components(
    count: int, start: NDArray[np.integer[Any]], stop: NDArray[np.integer[Any]]
) -> NDArray[np.int64]:
    """The component of each node, numbered from 0 by their least nodes.

    Every round hooks the root of each component to the least root beside it, and then points all
    nodes at their roots.

    Args:
        count: number of nodes.
        start, stop: the two ends of each edge.
    """
    parent = np.arange(count)
    while len(start):
        a, b = parent[start], parent[stop]
        apart = a != b
        start, stop, a, b = start[apart], stop[apart], a[apart], b[apart]
        np.minimum.at(parent, np.maximum(a, b), np.minimum(a, b))
        while (parent != (above := parent[parent])).any():
            parent = above
    own = parent == np.arange(count)
    number: NDArray[np.int64] = np.cumsum(own) - 1
    return number[parent]
