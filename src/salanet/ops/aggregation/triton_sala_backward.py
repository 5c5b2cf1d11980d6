"""SALA on a GPU, backward: one kernel that recomputes instead of reading what forward stored.

A program owns blocks of supports and walks the pairs that hold them. Each support's gradient is
written once; those of the weights are summed by each program, then over the programs, in a fixed
order. Nothing is added atomically: the same input gives the same bits.
"""

# mypy: disable-error-code="no-untyped-def, assignment"

from __future__ import annotations

import torch
from torch import Tensor

from salanet.ops.aggregation.arguments import AggregationOptions, Inputs
from salanet.ops.aggregation.triton_pairs import (
    MAX,
    NO_SLOT,
    NONE,
    SOFT,
    assigned,
    by_support,
    columns,
    hidden_layer,
    joined,
    lifted,
    lifting,
    offset,
)
from salanet.ops.aggregation.triton_sala import (
    channel_block,
    choices,
    prepared,
    rows_of,
    sizes_of,
)
from salanet.ops.triton_runtime import launch, power_of_two, tl, triton

_PROGRAMS = 2048  # at most: a sum over programs has as many terms


@triton.jit
def zeros(BN: tl.constexpr, SP: tl.constexpr, BC: tl.constexpr, R: tl.constexpr):
    """A tuple of R tiles."""
    out = ()
    for _ in tl.static_range(R):
        out = out + (tl.zeros((BN, SP, BC), tl.float32),)
    return out


@triton.jit
def added(sums, r, grad_z, R: tl.constexpr):
    """grad_z rᵀ added to the R tiles of `sums`."""
    out = ()
    for u in tl.static_range(R):
        out = out + (sums[u] + grad_z * r[u][:, None, None],)
    return out


@triton.jit
def products(position, grad_z, R: tl.constexpr):
    """position_wᵀ grad_z, a tuple of R vectors (BN,)."""
    out = ()
    for u in tl.static_range(R):
        out = out + (tl.sum(tl.sum(grad_z * position[u][None, :, :], axis=2), axis=1),)
    return out


@triton.jit(do_not_specialize=["n", "blocks"])
def _backward(
    queries,
    supports,
    pairs,
    starts,
    projected,
    lift_w,
    lift_b,
    hidden_w,
    hidden_b,
    score_w,
    score_b,
    position_w,
    bias,
    grad,
    slots,
    grad_projected,
    partial,
    n,
    blocks,
    k_slots,
    channels,
    radius,
    S: tl.constexpr,
    R: tl.constexpr,
    H: tl.constexpr,
    SP: tl.constexpr,
    RP: tl.constexpr,
    HP: tl.constexpr,
    BN: tl.constexpr,
    BC: tl.constexpr,
    relu: tl.constexpr,
    reduction: tl.constexpr,
    assignment: tl.constexpr,
):
    c = tl.program_id(1) * BC + tl.arange(0, BC)
    group = tl.arange(0, SP)
    unit = tl.arange(0, HP)
    entry = tl.arange(0, RP)
    column = group[:, None] * channels + c[None, :]
    used = (group < S)[:, None] & (c < channels)[None, :]

    lift = lifting(lift_w, lift_b, R)
    if assignment != NONE:
        hidden = columns(hidden_w, unit, unit < H, R)
        hidden_bias = tl.load(hidden_b + unit, mask=unit < H, other=0.0)
        scored = (group < S)[:, None] & (unit < H)[None, :]
        score = tl.load(score_w + group[:, None] * H + unit[None, :], mask=scored, other=0.0)
        score_bias = tl.load(score_b + group, mask=group < S, other=float("-inf"))
    if assignment == SOFT:
        square = (unit < H)[:, None] & (entry < R)[None, :]
        hidden_rows = tl.load(hidden_w + unit[:, None] * R + entry[None, :], mask=square, other=0.0)
        sum_hidden = tl.zeros((BN, HP, RP), tl.float32)
        sum_hidden_b = tl.zeros((BN, HP), tl.float32)
        sum_score = tl.zeros((BN, SP, HP), tl.float32)
        sum_score_b = tl.zeros((BN, SP), tl.float32)
    if position_w is not None:
        position = columns(position_w, column, used, R)
        sum_position = zeros(BN, SP, BC, R)
    if bias is not None:
        constant = tl.load(bias + column, mask=used, other=0.0)
    # All of these are summed over their rows at the end only: adding is cheaper than reducing.
    sum_x = tl.zeros((BN, RP), tl.float32)
    sum_y = tl.zeros((BN, RP), tl.float32)
    sum_z = tl.zeros((BN, RP), tl.float32)
    sum_b = tl.zeros((BN, RP), tl.float32)

    for block in range(tl.program_id(0), blocks, tl.num_programs(0)):
        j = block * BN + tl.arange(0, BN)
        inside = j < n
        begin = tl.load(starts + j, mask=inside, other=0)
        count = tl.load(starts + j + 1, mask=inside, other=0) - begin
        j = j.to(tl.int64)
        row = j[:, None, None] * (S * channels) + column[None, :, :]
        own = inside[:, None, None] & used[None, :, :]
        fixed = tl.load(projected + row, mask=own, other=0.0).to(tl.float32)
        if bias is not None:
            fixed += constant[None, :, :]
        total = tl.zeros((BN, SP, BC), tl.float32)
        for step in range(tl.max(count, axis=0)):
            valid = step < count
            pair = tl.load(pairs + begin + step, mask=valid, other=0)
            i = (pair // k_slots).to(tl.int64)
            k = pair % k_slots
            dx = offset(supports, queries, j, i, valid, radius, 0)
            dy = offset(supports, queries, j, i, valid, radius, 1)
            dz = offset(supports, queries, j, i, valid, radius, 2)
            r = lifted(dx, dy, dz, lift, R)

            # The gradient of h · y, where this pair's is the value that was used.
            taken = valid[:, None] & (c < channels)[None, :]
            came = tl.load(grad + i[:, None] * channels + c[None, :], mask=taken, other=0.0)
            came = tl.broadcast_to(came.to(tl.float32)[:, None, :], (BN, SP, BC))
            if reduction == MAX:
                used_here = valid[:, None, None] & used[None, :, :]
                where = slots + i[:, None, None] * (S * channels) + column[None, :, :]
                won = tl.load(where, mask=used_here, other=NO_SLOT).to(tl.int32)
                came = tl.where(won == k[:, None, None], came, 0.0)

            y = fixed
            if position_w is not None:
                for u in tl.static_range(R):
                    y += r[u][:, None, None] * position[u][None, :, :]
            grad_z = came
            if relu:
                grad_z = tl.where(y > 0.0, came, 0.0)
                y = tl.maximum(y, 0.0)
            if assignment != NONE:
                a = hidden_layer(r, hidden, hidden_bias, R)
                h = assigned(a, score, score_bias, group, assignment)
                grad_z *= h[:, :, None]
            total += grad_z

            r_tile = joined(r, BN, R, RP)
            grad_r = tl.zeros((BN, RP), tl.float32)
            if position_w is not None:
                sum_position = added(sum_position, r, grad_z, R)
                grad_r += joined(products(position, grad_z, R), BN, R, RP)
            if assignment == SOFT:
                # Only this program's channels: every step from here to the weights is linear.
                grad_h = tl.sum(came * y, axis=2)
                grad_score_row = h * (grad_h - tl.sum(h * grad_h, axis=1)[:, None])
                sum_score += grad_score_row[:, :, None] * a[:, None, :]
                sum_score_b += grad_score_row
                grad_a = tl.sum(grad_score_row[:, :, None] * score[None, :, :], axis=1)
                grad_a = tl.where(a > 0.0, grad_a, 0.0)
                sum_hidden += grad_a[:, :, None] * r_tile[:, None, :]
                sum_hidden_b += grad_a
                grad_r += tl.sum(grad_a[:, :, None] * hidden_rows[None, :, :], axis=1)
            grad_r = tl.where(r_tile > 0.0, grad_r, 0.0)
            sum_x += grad_r * dx[:, None]
            sum_y += grad_r * dy[:, None]
            sum_z += grad_r * dz[:, None]
            sum_b += grad_r
        tl.store(grad_projected + row, total.to(grad_projected.dtype.element_ty), mask=own)

    # This program's terms, transposed: each block of them is one weight matrix, its bias last.
    at = partial + (tl.program_id(0) * tl.num_programs(1) + tl.program_id(1)) * (
        4 * RP + HP * (RP + 1) + SP * (HP + 1) + SP * BC * R
    )
    tl.store(at + entry, tl.sum(sum_x, axis=0))
    tl.store(at + RP + entry, tl.sum(sum_y, axis=0))
    tl.store(at + 2 * RP + entry, tl.sum(sum_z, axis=0))
    tl.store(at + 3 * RP + entry, tl.sum(sum_b, axis=0))
    at += 4 * RP
    if assignment == SOFT:
        tl.store(at + HP * entry[None, :] + unit[:, None], tl.sum(sum_hidden, axis=0))
        tl.store(at + HP * RP + unit, tl.sum(sum_hidden_b, axis=0))
        tl.store(
            at + HP * (RP + 1) + SP * unit[None, :] + group[:, None], tl.sum(sum_score, axis=0)
        )
        tl.store(at + HP * (RP + 1) + SP * HP + group, tl.sum(sum_score_b, axis=0))
    at += HP * (RP + 1) + SP * (HP + 1)
    if position_w is not None:
        place = group[:, None] * BC + tl.arange(0, BC)[None, :]
        for u in tl.static_range(R):
            tl.store(at + SP * BC * u + place, tl.sum(sum_position[u], axis=0))


def backward(
    inputs: Inputs, options: AggregationOptions, grad: Tensor, slots: Tensor
) -> tuple[Tensor, Tensor]:
    """Gradients of `projected` and, in one vector, of all weights (in the order of the inputs)."""
    dtype = inputs.lift_w.dtype
    inputs = prepared(inputs)
    projected, groups = inputs.projected, options.groups
    n, width = projected.shape
    channels = width // groups
    sizes = sizes_of(inputs)
    r, h, rp, sp, hp = sizes["R"], sizes["H"], power_of_two(sizes["R"]), sizes["SP"], sizes["HP"]
    block = channel_block(channels, sp)
    rows = max(1, rows_of(sp * block) // 2)  # half the tile: the sums take registers as well
    blocks, channel_blocks = triton.cdiv(n, rows), triton.cdiv(channels, block)
    programs = min(blocks, _PROGRAMS)
    # In float32 where the bias's gradient is summed from it.
    grad_dtype = projected.dtype if inputs.bias is None else torch.float32
    grad_projected = torch.empty_like(projected, dtype=grad_dtype)
    lengths = [4 * rp, hp * (rp + 1), sp * (hp + 1), sp * block * r]
    partial = projected.new_zeros(programs, channel_blocks, sum(lengths), dtype=torch.float32)
    if programs and channel_blocks:
        pairs, starts = by_support(inputs.neighbours, n)
        launch(
            _backward,
            (programs, channel_blocks),
            inputs.queries,
            inputs.supports,
            pairs,
            starts,
            *inputs.differentiable,
            grad.contiguous(),
            slots,
            grad_projected,
            partial,
            n,
            blocks,
            inputs.neighbours.shape[1],
            channels,
            options.radius,
            **sizes,
            **choices(options),
            RP=rp,
            BN=rows,
            BC=block,
        )
    lift, hidden, score, position = partial.sum(0).split(lengths, dim=1)
    lift = lift.sum(0).view(4, rp)[:, :r]
    hidden = hidden.sum(0).view(rp + 1, hp)
    score = score.sum(0).view(hp + 1, sp)[:, :groups]
    position = position.view(channel_blocks, r, sp, block).permute(2, 0, 3, 1)
    position = position.reshape(sp, channel_blocks * block, r)[:groups, :channels]
    bias = grad_projected.sum(0) if inputs.bias is not None else grad.new_zeros(width)
    pieces = [lift[:3].T, lift[3], hidden[:r, :h].T, hidden[rp, :h], score[:h].T, score[hp]]
    flat = torch.cat([piece.flatten() for piece in (*pieces, position, bias.float())])
    return grad_projected.to(projected.dtype), flat.to(dtype)
