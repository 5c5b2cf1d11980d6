"""Random inputs for the tests of the aggregation operations, and how to compare results."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from salanet.ops import PositionMLP, backend

RADIUS = 0.5


def cloud(m: int, n: int, k: int, seed: int, missing: float = 0.2) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, supports and a ragged table; the first query has no neighbours, the last has all."""
    generator = torch.Generator().manual_seed(seed)
    queries = torch.rand(m, 3, generator=generator)
    supports = torch.rand(n, 3, generator=generator)
    # Without repeats in a row: equal values would tie.
    rows = torch.rand(m, n, generator=generator).argsort(dim=1)[:, :k]
    table = torch.full((m, k), n)
    table[:, : rows.shape[1]] = rows
    table[torch.rand(m, k, generator=generator) < missing] = n
    table[0] = n
    if m > 1:
        table[-1, : rows.shape[1]] = rows[-1]
    return queries, supports, table.int()


def weights(
    n: int, channels: int, groups: int, seed: int, lifted: int = 8, hidden: int = 8
) -> list[Tensor]:
    """projected, the six of PositionMLP, position_w and bias, in this order."""
    generator = torch.Generator().manual_seed(seed + 1)
    columns = groups * channels
    shapes = [
        (n, columns), (lifted, 3), (lifted,), (hidden, lifted), (hidden,),
        (groups, hidden), (groups,), (columns, lifted), (columns,),
    ]  # fmt: skip
    return [torch.randn(*shape, generator=generator) * 0.5 for shape in shapes]


def outputs_and_gradients(
    function: Callable[..., Tensor | Sequence[Tensor]],
    tensors: Sequence[Tensor],
    name: str,
    dtype: torch.dtype = torch.float32,
) -> list[Tensor | None]:
    """The outputs of function(*tensors) on a backend, then the gradients of every tensor."""
    leaves = [t.to(dtype).clone().requires_grad_() for t in tensors]
    with backend(name):
        outputs = function(*leaves)
    outputs = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    generator = torch.Generator().manual_seed(7)
    loss = sum(
        (o * torch.randn(o.shape, generator=generator).to(dtype)).sum()
        for o in outputs
        if o.requires_grad
    )
    loss.backward()
    return [o.detach() for o in outputs] + [t.grad for t in leaves]


def assert_same(fast: Sequence[Tensor | None], exact: Sequence[Tensor | None]) -> None:
    """Every float32 result is within 1e-5 of the float64 one, in norm.

    What remains of sums that cancel cannot be: it is within float32's rounding of what was summed,
    for which the largest result stands.
    """
    largest = max(float(wanted.norm()) for wanted in exact if wanted is not None)
    rounding = max(3e-6, 1e-7 * largest)
    for index, (value, wanted) in enumerate(zip(fast, exact, strict=True)):
        if wanted is None:
            assert value is None, f"result {index} should be None"
            continue
        assert value is not None and value.dtype == torch.float32
        assert value.shape == wanted.shape
        error = (value.double() - wanted).norm()
        assert error <= 1e-5 * wanted.norm() + rounding, f"result {index}: error {error}"


def mlp_of(tensors: Sequence[Tensor]) -> PositionMLP:
    """The perceptrons within `weights`."""
    return PositionMLP(*tensors[1:7])


def assert_same_bits_for_any_threads(run: Callable[[], list[Tensor]]) -> None:
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 4):
            torch.set_num_threads(threads)
            results.append(run())
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))
