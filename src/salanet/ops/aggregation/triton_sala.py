"""SALA on a GPU, forward: one kernel, no tensor of (queries, neighbours, channels).

A program owns a block of queries and of channels, and walks the slots of the neighbour table with
the running maxima of all groups in registers.
"""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import torch
from torch import Tensor

from salanet.ops.aggregation.arguments import AggregationOptions, Inputs
from salanet.ops.aggregation.native import sala_outputs
from salanet.ops.aggregation.triton_pairs import (
    MAX,
    NO_SLOT,
    NONE,
    assigned,
    columns,
    hidden_layer,
    lifted,
    lifting,
    offset,
)
from salanet.ops.triton_runtime import launch, power_of_two, tl, triton


@triton.jit(do_not_specialize=["m", "n"])
def _forward(
    queries,
    supports,
    neighbours,
    projected,
    lift_w,
    lift_b,
    hidden_w,
    hidden_b,
    score_w,
    score_b,
    position_w,
    bias,
    out,
    slots,
    m,
    n,
    k_slots,
    channels,
    radius,
    S: tl.constexpr,
    R: tl.constexpr,
    H: tl.constexpr,
    SP: tl.constexpr,
    HP: tl.constexpr,
    BM: tl.constexpr,
    BC: tl.constexpr,
    relu: tl.constexpr,
    reduction: tl.constexpr,
    assignment: tl.constexpr,
):
    i = tl.program_id(0) * BM + tl.arange(0, BM)
    c = tl.program_id(1) * BC + tl.arange(0, BC)
    group = tl.arange(0, SP)
    unit = tl.arange(0, HP)
    inside = i < m
    i = i.to(tl.int64)
    column = group[:, None] * channels + c[None, :]  # (SP, BC)
    used = (group < S)[:, None] & (c < channels)[None, :]

    lift = lifting(lift_w, lift_b, R)
    if assignment != NONE:
        hidden = columns(hidden_w, unit, unit < H, R)
        hidden_bias = tl.load(hidden_b + unit, mask=unit < H, other=0.0)
        scored = (group < S)[:, None] & (unit < H)[None, :]
        score = tl.load(score_w + group[:, None] * H + unit[None, :], mask=scored, other=0.0)
        score_bias = tl.load(score_b + group, mask=group < S, other=float("-inf"))
    if position_w is not None:
        position = columns(position_w, column, used, R)
    if bias is not None:
        constant = tl.load(bias + column, mask=used, other=0.0)

    if reduction == MAX:
        best = tl.full((BM, SP, BC), float("-inf"), tl.float32)
        winner = tl.full((BM, SP, BC), NO_SLOT, tl.int32)
    else:
        best = tl.zeros((BM, SP, BC), tl.float32)
    for k in range(k_slots):
        j = tl.load(neighbours + i * k_slots + k, mask=inside, other=n)
        valid = j < n
        j = j.to(tl.int64)
        dx = offset(supports, queries, j, i, valid, radius, 0)
        dy = offset(supports, queries, j, i, valid, radius, 1)
        dz = offset(supports, queries, j, i, valid, radius, 2)
        r = lifted(dx, dy, dz, lift, R)
        taken = valid[:, None, None] & used[None, :, :]
        row = projected + j[:, None, None] * (S * channels) + column[None, :, :]
        y = tl.load(row, mask=taken, other=0.0).to(tl.float32)
        if bias is not None:
            y += constant[None, :, :]
        if position_w is not None:
            for u in tl.static_range(R):
                y += r[u][:, None, None] * position[u][None, :, :]
        if relu:
            y = tl.maximum(y, 0.0)
        if assignment != NONE:
            a = hidden_layer(r, hidden, hidden_bias, R)
            y *= assigned(a, score, score_bias, group, assignment)[:, :, None]
        if reduction == MAX:
            better = taken & (y > best)
            best = tl.where(better, y, best)
            if slots is not None:
                winner = tl.where(better, k, winner)
        else:
            best += tl.where(taken, y, 0.0)

    if reduction == MAX:
        best = tl.where(best == float("-inf"), 0.0, best)
        if slots is not None:
            target = slots + i[:, None, None] * (S * channels) + column[None, :, :]
            tl.store(target, winner.to(tl.uint8), mask=inside[:, None, None] & used[None, :, :])
    total = tl.sum(best, axis=1).to(out.dtype.element_ty)
    target = out + i[:, None] * channels + c[None, :]
    tl.store(target, total, mask=inside[:, None] & (c < channels)[None, :])


def forward(
    inputs: Inputs, options: AggregationOptions, keep_slots: bool = True
) -> tuple[Tensor, Tensor]:
    """The result (M, C) and, if kept, the slots that won: uint8 (M, S*C), else empty."""
    inputs = prepared(inputs)
    out, slots = sala_outputs(inputs, options, keep_slots)
    if out.numel() == 0:
        return out, slots
    m, channels = out.shape
    sizes = sizes_of(inputs)
    block = channel_block(channels, sizes["SP"])
    rows = rows_of(sizes["SP"] * block)
    launch(
        _forward,
        (triton.cdiv(m, rows), triton.cdiv(channels, block)),
        *inputs,
        out,
        slots if len(slots) else None,
        m,
        len(inputs.supports),
        inputs.neighbours.shape[1],
        channels,
        options.radius,
        **sizes,
        **choices(options),
        BM=rows,
        BC=block,
    )
    return out, slots


def prepared(inputs: Inputs) -> Inputs:
    """The inputs as the kernels read them: contiguous, all but `projected` in float32."""
    dtypes = {"neighbours": torch.int32, "projected": inputs.projected.dtype}
    return inputs._replace(
        **{
            name: tensor.detach().to(dtypes.get(name, torch.float32)).contiguous()
            for name, tensor in inputs._asdict().items()
            if tensor is not None
        }
    )


def sizes_of(inputs: Inputs) -> dict[str, int]:
    """S, R and H, and the powers of two that the tiles need instead."""
    groups, lifted, hidden = len(inputs.score_w), len(inputs.lift_w), len(inputs.hidden_w)
    return {
        "S": groups,
        "R": lifted,
        "H": hidden,
        "SP": power_of_two(groups),
        "HP": power_of_two(hidden),
    }


def choices(options: AggregationOptions) -> dict[str, int | bool]:
    """What is decided when a kernel is compiled."""
    relu, reduction, assignment = options.codes
    return {"relu": bool(relu), "reduction": reduction, "assignment": assignment}


def channel_block(channels: int, groups: int) -> int:
    """How many channels a program takes."""
    return max(16, min(power_of_two(channels), 64 // groups))


def rows_of(columns: int) -> int:
    """How many rows a program takes beside that many columns (groups x channels).

    A program is one warp with 8 elements per thread: the small layers of the perceptrons need no
    barriers then, and nothing spills out of the registers.
    """
    return max(1, 256 // columns)
