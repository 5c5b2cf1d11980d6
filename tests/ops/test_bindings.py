"""What the native modules refuse: no argument may make a kernel leave its arrays."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from aggregation_cases import RADIUS, cloud, weights

from salanet import _aggregation, _geometry, _weighted
from salanet.errors import DataError
from salanet.ops import neighbour_max, pair_moments, position_moments

M, N, K, C, S, R, H, G, T = 6, 8, 4, 5, 2, 3, 7, 6, 4
POINTS = cloud(M, N, K, 0)
WEIGHTS = tuple(weights(N, C, S, 0, R, H))
OPTIONS = (RADIUS, S, True, False, 0)
SCORES = (torch.rand(M, K, T), torch.randint(0, G, (M, K, T)).int(), G, POINTS[2], torch.rand(N, C))
ONES = (None, None, 1, POINTS[2], torch.rand(N, C))


def empty(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.zeros(shape, dtype=dtype)


SLOTS = empty(M, S * C, dtype=torch.uint8)
PARAMETERS = 4 * R + H * (R + 1) + S * (H + 1) + S * C * (R + 1)
# Arguments that fit each function; and the sizes that it may choose, as (argument, dimension).
CALLS: dict[str, tuple[Any, tuple[Any, ...], set[tuple[int, int]]]] = {
    "sala_forward": (
        _aggregation.sala_forward,
        ((*POINTS, *WEIGHTS), OPTIONS, empty(M, C), SLOTS, 2),
        {(2, 1)},
    ),
    "sala_backward": (
        _aggregation.sala_backward,
        ((*POINTS, *WEIGHTS), OPTIONS, empty(M, C), SLOTS, empty(N, S * C), empty(PARAMETERS), 2),
        {(2, 1)},
    ),
    "max_forward": (
        _aggregation.max_forward,
        (WEIGHTS[0], POINTS[2], empty(M, S * C), SLOTS, 2),
        {(0, 0), (1, 1)},
    ),
    "max_backward": (
        _aggregation.max_backward,
        (WEIGHTS[0], POINTS[2], empty(M, S * C), SLOTS, empty(N, S * C), 2),
        {(1, 1)},
    ),
    "moments_forward": (
        _aggregation.moments_forward,
        (*POINTS, *WEIGHTS[1:3], RADIUS, empty(N, R), empty(N), empty(R, R), 2),
        {(2, 1)},
    ),
    "moments_backward": (
        _aggregation.moments_backward,
        (*POINTS, *WEIGHTS[1:3], RADIUS, empty(N, R), empty(R, R), empty(4 * R), 2),
        {(2, 1)},
    ),
    "pair_moments": (
        _aggregation.pair_moments,
        (*POINTS, *WEIGHTS[1:3], RADIUS, empty(R + 1, R + 1), 2),
        {(1, 0), (2, 1)},
    ),
    "pair_moments_of_offsets": (
        _aggregation.pair_moments,
        (*POINTS, None, None, RADIUS, empty(4, 4), 2),
        {(1, 0), (2, 1)},
    ),
    "pair_moments_backward": (
        _aggregation.pair_moments_backward,
        (*POINTS, *WEIGHTS[1:3], RADIUS, empty(R + 1, R + 1), empty(4 * R), 2),
        {(1, 0), (2, 1)},
    ),
    "offsets": (_weighted.offsets, (*POINTS, RADIUS, empty(M, K, 3), 2), {(1, 0)}),
    "influence": (_weighted.influence, (empty(M, 3), empty(3, G), 0.5, empty(M, G), 2), set()),
    "depthwise": (_weighted.depthwise, (SCORES, empty(G, C), empty(M, C), 2), {(3, 0)}),
    "depthwise_backward": (
        _weighted.depthwise_backward,
        (SCORES, empty(G, C), empty(M, C), empty(N, C), empty(G, C), 2),
        set(),
    ),
    "grid": (_weighted.grid, (SCORES, empty(M, G, C), 2), {(3, 0)}),
    "grid_of_ones": (_weighted.grid, (ONES, empty(M, 1, C), 2), {(0, 1), (1, 0)}),
    "grid_backward": (
        _weighted.grid_backward,
        (SCORES, empty(M, G, C), empty(N, C), empty(M, K, T), 2),
        set(),
    ),
    "farthest": (
        _weighted.farthest,
        (empty(N, 3), empty(3, dtype=torch.int64)),
        {(0, 0), (1, 0)},
    ),
}


def tensors_of(arguments: tuple[Any, ...]) -> Iterator[torch.Tensor]:
    for argument in arguments:
        if isinstance(argument, torch.Tensor):
            yield argument
        elif isinstance(argument, tuple):
            yield from tensors_of(argument)


def put(arguments: tuple[Any, ...], old: torch.Tensor, new: torch.Tensor) -> tuple[Any, ...]:
    return tuple(
        put(argument, old, new)
        if isinstance(argument, tuple)
        else new
        if argument is old
        else argument
        for argument in arguments
    )


def resized(tensor: torch.Tensor, dimension: int, change: int) -> torch.Tensor:
    shape = list(tensor.shape)
    shape[dimension] += change
    return tensor.new_zeros(shape)


@pytest.mark.parametrize("name", CALLS)
def test_arguments_that_fit(name: str) -> None:
    function, arguments, _ = CALLS[name]
    function(*arguments)


@pytest.mark.parametrize("name", CALLS)
def test_shapes_that_do_not_fit(name: str) -> None:
    function, arguments, free = CALLS[name]
    for index, tensor in enumerate(tensors_of(arguments)):
        for dimension in range(tensor.dim()):
            if (index, dimension) in free:
                continue
            for change in (-1, 1):
                other = resized(tensor, dimension, change)
                with pytest.raises((ValueError, DataError)):
                    function(*put(arguments, tensor, other))
                    pytest.fail(f"argument {index} of shape {tuple(other.shape)} was taken")


@pytest.mark.parametrize("name", CALLS)
def test_types_and_layouts_that_do_not_fit(name: str) -> None:
    """Nothing is converted: an output would be filled as a copy that nobody sees."""
    function, arguments, _ = CALLS[name]
    for index, tensor in enumerate(tensors_of(arguments)):
        for other in (
            tensor.double() if tensor.dtype == torch.float32 else tensor.float(),
            tensor.unsqueeze(0),
            tensor.repeat_interleave(2, dim=-1)[..., ::2],
        ):
            with pytest.raises(TypeError):
                function(*put(arguments, tensor, other))
                pytest.fail(f"argument {index} as {other.dtype} {other.stride()} was taken")


@pytest.mark.parametrize(
    "arguments",
    [
        ((*POINTS, *WEIGHTS), (RADIUS, 0, True, False, 0), empty(M, C), SLOTS, 1),
        ((*POINTS, *WEIGHTS), (RADIUS, S, True, False, 3), empty(M, C), SLOTS, 1),
        ((*POINTS, *WEIGHTS), (RADIUS, S, True, False, -1), empty(M, C), SLOTS, 1),
        ((*POINTS, *WEIGHTS), (0.0, S, True, False, 0), empty(M, C), SLOTS, 1),
        ((*cloud(M, 300, 256, 0), *weights(300, C, S, 0, R, H)), OPTIONS, empty(M, C), None, 1),
        ((*POINTS, *weights(N, C, S, 0, 65, H)), OPTIONS, empty(M, C), None, 1),
        ((*POINTS, *weights(N, C, S, 0, R, 65)), OPTIONS, empty(M, C), None, 1),
        ((*POINTS, *weights(N, 1, 65, 0)), (RADIUS, 65, True, False, 0), empty(M, 1), None, 1),
    ],
)
def test_what_is_beyond_the_kernels(arguments: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError, match=r"must|at most"):
        _aggregation.sala_forward(*arguments)


def test_groups_that_do_not_exist() -> None:
    values, groups, _, table, features = SCORES
    for scores in ((values, groups + G, G), (values, groups - G, G)):
        with pytest.raises(IndexError):
            _weighted.grid((*scores, table, features), empty(M, G, C), 1)
    with pytest.raises(ValueError, match="a group for every value"):
        _weighted.grid((values, None, T - 1, table, features), empty(M, T - 1, C), 1)
    with pytest.raises(ValueError, match="a group for every value"):
        _weighted.grid((None, groups, G, table, features), empty(M, G, C), 1)


@pytest.mark.parametrize("row", [N + 1, -1, -(2**31), 2**31 - 1])
@pytest.mark.parametrize(
    "name", ["sala_forward", "sala_backward", "max_forward", "max_backward", "moments_forward",
             "moments_backward", "pair_moments", "pair_moments_backward", "offsets", "depthwise",
             "grid"],
)  # fmt: skip
def test_neighbours_that_do_not_exist(name: str, row: int) -> None:
    function, arguments, _ = CALLS[name]
    table = POINTS[2].clone()
    table[M - 2, 1] = row
    with pytest.raises(DataError, match=f"neighbours hold row {row} of {N} supports"):
        function(*put(arguments, POINTS[2], table))


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_an_error_in_a_thread_reaches_the_caller(threads: int) -> None:
    """The first one in the table, for any number of threads; and the threads work on."""
    queries, table = 5000, torch.zeros(5000, K, dtype=torch.int32)
    table[700, 1], table[4900, 0] = 7000, 9000
    features, out = torch.rand(N, C), empty(queries, C)
    for _ in range(20):
        with pytest.raises(DataError, match="row 7000"):
            _aggregation.max_forward(features, table, out, None, threads)
        with pytest.raises(DataError, match="row 7000"):
            _weighted.grid((None, None, 1, table, features), empty(queries, 1, C), threads)
    _aggregation.max_forward(features, table.clamp(max=N), out, None, threads)
    assert torch.equal(out[0], features[0])


PROGRAM = """
import resource, sys, torch
from salanet import _aggregation
torch.set_num_threads(2)
wide, queries = 1 << 18, 64  # 268 MB of working memory in each thread
features, table = torch.ones(1, wide), torch.zeros(queries, 1, dtype=torch.int32)
out = torch.zeros(queries, wide)
_aggregation.max_forward(features[:, :8].clone(), table, torch.zeros(queries, 8), None, 2)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (100 << 20),) * 2)
try:
    _aggregation.max_forward(features, table, out, None, 2)
except MemoryError:
    print("MemoryError")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space")
def test_too_little_memory_in_a_thread_is_an_error() -> None:
    result = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert (result.returncode, result.stdout.strip()) == (0, "MemoryError"), result.stderr


def test_outputs_of_the_geometry_are_not_copied() -> None:
    points, splits = np.random.default_rng(0).random((50, 3), np.float32), np.array([0, 50])
    index = _geometry.PointIndex(points, splits, "points", 1)
    with pytest.raises(TypeError):
        index.nearest(index, np.zeros(50, np.int64), 1)
    with pytest.raises(TypeError):
        index.radius_search(index, 0.1, np.zeros((50, 8), np.int32)[:, ::2], 1)
    grid = _geometry.Grid(points, 0.1, splits, 1)
    with pytest.raises(TypeError):
        grid.mean(points, np.zeros((grid.count, 3), np.float16), 1)


def test_public_operations_say_what_does_not_fit() -> None:
    lift_w, lift_b = WEIGHTS[1:3]
    with pytest.raises(DataError, match="lift_b must have shape"):
        position_moments(*POINTS, lift_w, lift_b[1:], RADIUS)
    with pytest.raises(DataError, match="lift_b must have shape"):
        pair_moments(*POINTS, RADIUS, (lift_w, lift_b[1:]))
    with pytest.raises(DataError, match="lift_w must have 3 columns"):
        position_moments(*POINTS, lift_w[:, :2], lift_b, RADIUS)
    with pytest.raises(DataError, match="neighbours hold row 8 of 7 supports"):
        neighbour_max(WEIGHTS[0][:7], torch.full((1, 1), 8, dtype=torch.int32))


def test_registered_operations_check_shapes_themselves() -> None:
    lift = WEIGHTS[1:3]
    with pytest.raises(ValueError, match="lift_b must have shape"):
        torch.ops.salanet.position_moments(*POINTS, lift[0], lift[1][1:], RADIUS)
    backward = torch.ops.salanet.position_moments_backward
    with pytest.raises(ValueError, match="grad_sums must have shape"):
        backward(*POINTS, *lift, RADIUS, empty(N - 1, R), empty(R, R))
    with pytest.raises(ValueError, match="lift_w and lift_b go together"):
        torch.ops.salanet.pair_moments(*POINTS, lift[0], None, RADIUS)
    with pytest.raises(ValueError, match="grad_gram must have shape"):
        torch.ops.salanet.pair_moments_backward(*POINTS, *lift, RADIUS, empty(R, R))
    inputs = (*POINTS, *WEIGHTS)
    with pytest.raises(ValueError, match="hidden_b must have shape"):
        torch.ops.salanet.sala_aggregate(
            *inputs[:7], inputs[7][1:], *inputs[8:], RADIUS, S, "relu", "max", "soft"
        )
    with pytest.raises(ValueError):
        torch.ops.salanet.sala_aggregate(*inputs, RADIUS, S, "gelu", "max", "soft")
    with pytest.raises(ValueError, match="slots must have shape"):
        torch.ops.salanet.neighbour_max_backward(
            WEIGHTS[0], POINTS[2], empty(M, S * C), SLOTS[1:].contiguous()
        )
