"""The nearest rows by features: exact, in slices of bounded memory."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from salanet.models.network import clouds

# Distances held at once: 4 MB of them, and 8 MB of keys.
DISTANCES = 1 << 20


def dilated_neighbours(
    features: Tensor, splits: Tensor, k: int, dilation: int = 1, *, random: bool = False
) -> Tensor:
    """Every d-th of the k·d nearest rows of the same cloud by features, from the nearest on.

    The row itself counts. Time grows with n² C for a cloud of n rows. Distances are
    |x|² - 2 x·y + |y|² about the cloud's mean, in the features' precision; rows tied by it come in
    ascending order in float32 on a CPU, in any elsewhere.

    Args:
        features: float (N, C), without gradient.
        splits: int64 (B + 1,).
        k, dilation: a cloud of n < k·d rows gives every (n // k)-th of all, one of n < k all n.
        random: any k of the k·d nearest instead, the same ranks for every row, from PyTorch's
            generator.

    Returns:
        int32 (N, k); missing entries hold N.
    """
    out = torch.full((len(features), k), len(features), dtype=torch.int32, device=features.device)
    for rows in clouds(splits):
        size = rows.stop - rows.start
        reach = min(k * dilation, size)
        ranks = torch.randperm(reach) if random else torch.arange(0, reach, max(1, reach // k))
        ranks = ranks[:k]
        if size:
            out[rows, : len(ranks)] = _ranked(features[rows], reach, ranks).int() + rows.start
    return out


def _ranked(cloud: Tensor, reach: int, ranks: Tensor) -> Tensor:
    """Rows of some ranks below `reach` among the distances to each row: int64 (n, ranks)."""
    size, cloud = len(cloud), cloud - cloud.mean(0)  # small numbers keep small differences
    square = cloud.square().sum(1)
    numbers = torch.arange(size, device=cloud.device)
    found = torch.empty(size, len(ranks), dtype=torch.int64, device=cloud.device)
    ranks = ranks.to(cloud.device)
    step = max(1, DISTANCES // size)
    for begin in range(0, size, step):
        part = slice(begin, min(begin + step, size))
        far = torch.addmm(square, cloud[part], cloud.T, alpha=-2)
        far = far.add_(square[part, None]).clamp_(min=0)
        if far.device.type != "cpu" or far.dtype != torch.float32:
            nearest = far.topk(reach, largest=False).indices
        else:
            # Bits of floats from 0 on are ordered as they are. NumPy partitions several times as
            # fast as PyTorch's `topk` on a CPU.
            keys = far.view(torch.int32).long().bitwise_left_shift_(32).bitwise_or_(numbers).numpy()
            keys.partition(reach - 1, axis=1)
            nearest = torch.from_numpy(np.sort(keys[:, :reach], axis=1)) & 0xFFFFFFFF
        found[part] = nearest.index_select(1, ranks)
    return found
