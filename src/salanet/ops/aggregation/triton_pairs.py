"""What the aggregation kernels share: the pairs seen from their supports, and the formulas of r, h.

Inside a kernel, r of a block of B pairs is a tuple of R vectors (B,): its R values are the factors
of R rows of weights, and Triton cannot take a column out of a matrix.
"""

# mypy: disable-error-code="no-untyped-def, assignment"

from __future__ import annotations

import torch
from torch import Tensor

from salanet.ops.triton_runtime import tl, triton

# As `AggregationOptions.codes` numbers them.
MAX, SOFT, HARD, NONE = tl.constexpr(0), tl.constexpr(0), tl.constexpr(1), tl.constexpr(2)

MAX_SLOTS = 255  # a neighbour's slot fits in a byte
NO_SLOT = tl.constexpr(255)  # marks the maximum over no neighbours


def by_support(neighbours: Tensor, supports: int) -> tuple[Tensor, Tensor]:
    """The transposed table: which pairs hold each support.

    Gradients of the supports are gathered through it, in the order of the pairs, so that they are
    the same in every run; atomic additions would not be.

    Returns:
        pairs int32 (M * K,), positions in the flattened table, those of each support together and
        rising; starts int32 (N + 1,), where each support's begin.
    """
    found, pairs = neighbours.flatten().sort(stable=True)
    every = torch.arange(supports + 1, dtype=found.dtype, device=found.device)
    return pairs.int(), torch.searchsorted(found, every, out_int32=True)


@triton.jit
def offset(supports, queries, j, i, valid, radius, axis: tl.constexpr):
    """(p_j - q_i) / radius along one axis, for a block of pairs (B,); 0 where not valid."""
    p = tl.load(supports + 3 * j + axis, mask=valid, other=0.0)
    q = tl.load(queries + 3 * i + axis, mask=valid, other=0.0)
    return (p - q) / radius


@triton.jit
def lifting(lift_w, lift_b, R: tl.constexpr):
    """The lift's weights as R scalars for each axis and R biases."""
    x = ()
    y = ()
    z = ()
    b = ()
    for k in tl.static_range(R):
        x = x + (tl.load(lift_w + 3 * k),)
        y = y + (tl.load(lift_w + 3 * k + 1),)
        z = z + (tl.load(lift_w + 3 * k + 2),)
        b = b + (tl.load(lift_b + k),)
    return x, y, z, b


@triton.jit
def lifted(dx, dy, dz, lift, R: tl.constexpr):
    """r, a tuple of R vectors (B,)."""
    r = ()
    for k in tl.static_range(R):
        r = r + (tl.maximum(lift[0][k] * dx + lift[1][k] * dy + lift[2][k] * dz + lift[3][k], 0.0),)
    return r


@triton.jit
def columns(matrix, row, valid, R: tl.constexpr):
    """The R columns of a (…, R) matrix at `row`, each a tile of the shape of `row`."""
    out = ()
    for k in tl.static_range(R):
        out = out + (tl.load(matrix + row * R + k, mask=valid, other=0.0),)
    return out


@triton.jit
def joined(parts, B: tl.constexpr, R: tl.constexpr, RP: tl.constexpr):
    """A tuple of R vectors (B,) as a tile (B, RP), zeros behind."""
    column = tl.arange(0, RP)[None, :]
    out = tl.zeros((B, RP), tl.float32)
    for k in tl.static_range(R):
        out = tl.where(column == k, parts[k][:, None], out)
    return out


@triton.jit
def hidden_layer(r, weights, bias, R: tl.constexpr):
    """relu(hidden_w r + hidden_b), (B, HP)."""
    a = r[0][:, None] * weights[0][None, :] + bias[None, :]
    for k in tl.static_range(1, R):
        a += r[k][:, None] * weights[k][None, :]
    return tl.maximum(a, 0.0)


@triton.jit
def assigned(a, score_w, score_b, group, assignment: tl.constexpr):
    """h (B, SP) from the hidden layer; `score_b` is -inf for the groups there are not."""
    scores = tl.sum(a[:, None, :] * score_w[None, :, :], axis=2) + score_b[None, :]
    if assignment == HARD:
        return (group[None, :] == tl.argmax(scores, axis=1)[:, None]).to(tl.float32)
    e = tl.exp(scores - tl.max(scores, axis=1)[:, None])
    return e / tl.sum(e, axis=1)[:, None]
