"""Maximum over neighbours, and moments of the lifted offsets, on a GPU."""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import torch
from torch import Tensor

from salanet.ops.aggregation.triton_pairs import (
    NO_SLOT,
    by_support,
    joined,
    lifted,
    lifting,
    offset,
)
from salanet.ops.triton_runtime import launch, power_of_two, tl, triton

_ROWS = 4  # of a program: one warp
_PROGRAMS = 2048  # at most: a sum over programs has as many terms


@triton.jit(do_not_specialize=["m", "n"])
def _max_forward(
    features, neighbours, out, slots, m, n, k_slots, channels, BM: tl.constexpr, BC: tl.constexpr
):
    i = tl.program_id(0) * BM + tl.arange(0, BM)
    c = tl.program_id(1) * BC + tl.arange(0, BC)
    inside = i < m
    i = i.to(tl.int64)
    used = (c < channels)[None, :]
    best = tl.full((BM, BC), float("-inf"), tl.float32)
    winner = tl.full((BM, BC), NO_SLOT, tl.int32)
    for k in range(k_slots):
        j = tl.load(neighbours + i * k_slots + k, mask=inside, other=n)
        taken = (j < n)[:, None] & used
        row = features + j.to(tl.int64)[:, None] * channels + c[None, :]
        value = tl.load(row, mask=taken, other=0.0).to(tl.float32)
        better = taken & (value > best)
        best = tl.where(better, value, best)
        winner = tl.where(better, k, winner)
    target = i[:, None] * channels + c[None, :]
    kept = inside[:, None] & used
    best = tl.where(best == float("-inf"), 0.0, best)
    tl.store(out + target, best.to(out.dtype.element_ty), mask=kept)
    if slots is not None:
        tl.store(slots + target, winner.to(tl.uint8), mask=kept)


@triton.jit(do_not_specialize=["n"])
def _max_backward(
    pairs,
    starts,
    grad,
    slots,
    grad_features,
    n,
    k_slots,
    channels,
    BN: tl.constexpr,
    BC: tl.constexpr,
):
    j = tl.program_id(0) * BN + tl.arange(0, BN)
    c = tl.program_id(1) * BC + tl.arange(0, BC)
    inside = j < n
    used = (c < channels)[None, :]
    begin = tl.load(starts + j, mask=inside, other=0)
    count = tl.load(starts + j + 1, mask=inside, other=0) - begin
    total = tl.zeros((BN, BC), tl.float32)
    for step in range(tl.max(count, axis=0)):
        valid = step < count
        pair = tl.load(pairs + begin + step, mask=valid, other=0)
        at = (pair // k_slots).to(tl.int64)[:, None] * channels + c[None, :]
        taken = valid[:, None] & used
        won = tl.load(slots + at, mask=taken, other=NO_SLOT).to(tl.int32)
        won_here = taken & (won == (pair % k_slots)[:, None])
        total += tl.load(grad + at, mask=won_here, other=0.0).to(tl.float32)
    target = grad_features + j.to(tl.int64)[:, None] * channels + c[None, :]
    tl.store(target, total.to(grad_features.dtype.element_ty), mask=inside[:, None] & used)


@triton.jit(do_not_specialize=["n", "blocks"])
def _moments(
    queries,
    supports,
    pairs,
    starts,
    lift_w,
    lift_b,
    sums,
    counts,
    partial,
    n,
    blocks,
    k_slots,
    radius,
    R: tl.constexpr,
    RP: tl.constexpr,
    BN: tl.constexpr,
):
    entry = tl.arange(0, RP)
    used = (entry < R)[None, :]
    lift = lifting(lift_w, lift_b, R)
    gram = tl.zeros((BN, RP, RP), tl.float32)
    for block in range(tl.program_id(0), blocks, tl.num_programs(0)):
        j = block * BN + tl.arange(0, BN)
        inside = j < n
        begin = tl.load(starts + j, mask=inside, other=0)
        count = tl.load(starts + j + 1, mask=inside, other=0) - begin
        j = j.to(tl.int64)
        total = tl.zeros((BN, RP), tl.float32)
        for step in range(tl.max(count, axis=0)):
            valid = step < count
            pair = tl.load(pairs + begin + step, mask=valid, other=0)
            i = (pair // k_slots).to(tl.int64)
            dx = offset(supports, queries, j, i, valid, radius, 0)
            dy = offset(supports, queries, j, i, valid, radius, 1)
            dz = offset(supports, queries, j, i, valid, radius, 2)
            r = joined(lifted(dx, dy, dz, lift, R), BN, R, RP)
            r = tl.where(valid[:, None], r, 0.0)
            total += r
            gram += r[:, :, None] * r[:, None, :]
        tl.store(sums + j[:, None] * R + entry[None, :], total, mask=inside[:, None] & used)
        tl.store(counts + j, count.to(tl.float32), mask=inside)
    at = partial + tl.program_id(0) * (RP * RP) + entry[:, None] * RP + entry[None, :]
    tl.store(at, tl.sum(gram, axis=0))


@triton.jit(do_not_specialize=["m", "n", "blocks"])
def _moments_backward(
    queries,
    supports,
    neighbours,
    lift_w,
    lift_b,
    grad_sums,
    grad_gram,
    partial,
    m,
    n,
    blocks,
    k_slots,
    radius,
    R: tl.constexpr,
    RP: tl.constexpr,
    BM: tl.constexpr,
):
    entry = tl.arange(0, RP)
    used = (entry < R)[None, :]
    lift = lifting(lift_w, lift_b, R)
    # The gradient of r r^T, added to its transpose: r stands in both factors.
    square = (entry < R)[:, None] & used
    gram = tl.load(grad_gram + entry[:, None] * R + entry[None, :], mask=square, other=0.0)
    gram += tl.load(grad_gram + entry[None, :] * R + entry[:, None], mask=square, other=0.0)
    sum_x = tl.zeros((BM, RP), tl.float32)
    sum_y = tl.zeros((BM, RP), tl.float32)
    sum_z = tl.zeros((BM, RP), tl.float32)
    sum_b = tl.zeros((BM, RP), tl.float32)
    for block in range(tl.program_id(0), blocks, tl.num_programs(0)):
        i = block * BM + tl.arange(0, BM)
        inside = i < m
        i = i.to(tl.int64)
        for k in range(k_slots):
            j = tl.load(neighbours + i * k_slots + k, mask=inside, other=n)
            valid = j < n
            j = j.to(tl.int64)
            dx = offset(supports, queries, j, i, valid, radius, 0)
            dy = offset(supports, queries, j, i, valid, radius, 1)
            dz = offset(supports, queries, j, i, valid, radius, 2)
            r = joined(lifted(dx, dy, dz, lift, R), BM, R, RP)
            at = grad_sums + j[:, None] * R + entry[None, :]
            grad_r = tl.load(at, mask=valid[:, None] & used, other=0.0)
            grad_r += tl.sum(r[:, :, None] * gram[None, :, :], axis=1)
            grad_r = tl.where((r > 0.0) & valid[:, None], grad_r, 0.0)
            sum_x += grad_r * dx[:, None]
            sum_y += grad_r * dy[:, None]
            sum_z += grad_r * dz[:, None]
            sum_b += grad_r
    at = partial + tl.program_id(0) * (4 * RP) + entry
    tl.store(at, tl.sum(sum_x, axis=0))
    tl.store(at + RP, tl.sum(sum_y, axis=0))
    tl.store(at + 2 * RP, tl.sum(sum_z, axis=0))
    tl.store(at + 3 * RP, tl.sum(sum_b, axis=0))


def max_forward(
    features: Tensor, neighbours: Tensor, keep_slots: bool = True
) -> tuple[Tensor, Tensor]:
    """The maxima (M, C) and, if kept, the slots that won them: uint8 (M, C), else (0, C)."""
    features, neighbours = features.detach().contiguous(), neighbours.contiguous()
    (m, k), channels = neighbours.shape, features.shape[1]
    out = features.new_empty(m, channels)
    slots = features.new_empty(m if keep_slots else 0, channels, dtype=torch.uint8)
    if out.numel():
        rows, channel_block = _tile(channels)
        launch(
            _max_forward,
            (triton.cdiv(m, rows), triton.cdiv(channels, channel_block)),
            features,
            neighbours,
            out,
            slots if keep_slots else None,
            m,
            len(features),
            k,
            channels,
            BM=rows,
            BC=channel_block,
        )
    return out, slots


def max_backward(features: Tensor, neighbours: Tensor, grad: Tensor, slots: Tensor) -> Tensor:
    """The gradient of the features."""
    n, channels = features.shape
    out = torch.empty_like(features, memory_format=torch.contiguous_format)
    if out.numel():
        pairs, starts = by_support(neighbours, n)
        rows, channel_block = _tile(channels)
        launch(
            _max_backward,
            (triton.cdiv(n, rows), triton.cdiv(channels, channel_block)),
            pairs,
            starts,
            grad.contiguous(),
            slots,
            out,
            n,
            neighbours.shape[1],
            channels,
            BN=rows,
            BC=channel_block,
        )
    return out


def moments_forward(
    queries: Tensor,
    supports: Tensor,
    neighbours: Tensor,
    lift_w: Tensor,
    lift_b: Tensor,
    radius: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """See `salanet.ops.position_moments`."""
    n, r = len(supports), len(lift_w)
    rp, rows = power_of_two(r), _ROWS
    blocks = triton.cdiv(n, rows)
    programs = min(blocks, _PROGRAMS)
    sums = lift_w.new_empty(n, r, dtype=torch.float32)
    counts = lift_w.new_empty(n, dtype=torch.float32)
    partial = lift_w.new_zeros(programs, rp, rp, dtype=torch.float32)
    if programs:
        pairs, starts = by_support(neighbours, n)
        launch(
            _moments,
            (programs,),
            *_floats(queries, supports),
            pairs,
            starts,
            *_floats(lift_w, lift_b),
            sums,
            counts,
            partial,
            n,
            blocks,
            neighbours.shape[1],
            radius,
            R=r,
            RP=rp,
            BN=rows,
        )
    gram = partial.sum(0)[:r, :r].contiguous()
    return sums.to(lift_w.dtype), counts.to(lift_w.dtype), gram.to(lift_w.dtype)


def moments_backward(
    queries: Tensor,
    supports: Tensor,
    neighbours: Tensor,
    lift_w: Tensor,
    lift_b: Tensor,
    radius: float,
    grad_sums: Tensor,
    grad_gram: Tensor,
) -> Tensor:
    """Gradients of `lift_w` and `lift_b` in one vector (4 R,)."""
    (m, k), r = neighbours.shape, len(lift_w)
    rp, rows = power_of_two(r), _ROWS
    blocks = triton.cdiv(m, rows)
    programs = min(blocks, _PROGRAMS)
    partial = lift_w.new_zeros(programs, 4, rp, dtype=torch.float32)
    if programs:
        launch(
            _moments_backward,
            (programs,),
            *_floats(queries, supports),
            neighbours.contiguous(),
            *_floats(lift_w, lift_b, grad_sums, grad_gram),
            partial,
            m,
            len(supports),
            blocks,
            k,
            radius,
            R=r,
            RP=rp,
            BM=rows,
        )
    total = partial.sum(0)[:, :r]
    return torch.cat([total[:3].T.flatten(), total[3]]).to(lift_w.dtype)


def _floats(*tensors: Tensor) -> tuple[Tensor, ...]:
    return tuple(t.detach().float().contiguous() for t in tensors)


def _tile(channels: int) -> tuple[int, int]:
    """Rows and channels of a program: one warp with 8 elements per thread."""
    block = min(power_of_two(channels), 64)
    return max(1, 256 // block), block
