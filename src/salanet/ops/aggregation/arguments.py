"""What the aggregation operations take, as the reference and the kernels of every device get it.

All types but PositionMLP are flat and in the order of the registered operations, whose schemas take
no types: `torch.ops.salanet.sala_aggregate(*inputs, *options)`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, get_args

from torch import Tensor

from salanet.errors import ConfigError

Activation = Literal["none", "relu"]
Reduction = Literal["max", "sum"]
Assignment = Literal["soft", "hard", "none"]
_CHOICES = {  # in the order of the kernels' enumerations
    "activation": get_args(Activation),
    "reduction": get_args(Reduction),
    "assignment": get_args(Assignment),
}


class PositionMLP(NamedTuple):
    """The two small perceptrons that see only where a neighbour lies.

    Attributes:
        lift_w, lift_b: (R, 3) and (R,); r = relu(lift_w · offset + lift_b).
        hidden_w, hidden_b: (H, R) and (H,); the hidden layer of the assignment.
        score_w, score_b: (S, H) and (S,); one score for each of the S groups.
    """

    lift_w: Tensor
    lift_b: Tensor
    hidden_w: Tensor
    hidden_b: Tensor
    score_w: Tensor
    score_b: Tensor


class Pairs(NamedTuple):
    """All pairs of a query and its neighbour, and the lift of their offsets, None for none."""

    queries: Tensor
    supports: Tensor
    neighbours: Tensor
    lift_w: Tensor | None
    lift_b: Tensor | None
    radius: float


class Inputs(NamedTuple):
    """The tensors of `salanet.ops.sala_aggregate`."""

    queries: Tensor
    supports: Tensor
    neighbours: Tensor
    projected: Tensor
    lift_w: Tensor
    lift_b: Tensor
    hidden_w: Tensor
    hidden_b: Tensor
    score_w: Tensor
    score_b: Tensor
    position_w: Tensor | None
    bias: Tensor | None

    @property
    def mlp(self) -> PositionMLP:
        return PositionMLP(*self[4:10])

    @property
    def differentiable(self) -> tuple[Tensor | None, ...]:
        """What gradients reach: `projected`, the perceptrons, `position_w` and `bias`."""
        return self[3:]


class AggregationOptions(NamedTuple):
    """All that is not a tensor in `salanet.ops.sala_aggregate`."""

    radius: float
    groups: int
    activation: Activation
    reduction: Reduction
    assignment: Assignment

    def check(self) -> None:
        """Raise ConfigError for an unknown activation, reduction or assignment."""
        for name, allowed in _CHOICES.items():
            value = getattr(self, name)
            if value not in allowed:
                raise ConfigError(f"{name} is '{value}'; choose one of {', '.join(allowed)}")

    @property
    def codes(self) -> tuple[int, ...]:
        """Activation, reduction and assignment as the kernels number them."""
        return tuple(allowed.index(getattr(self, name)) for name, allowed in _CHOICES.items())


def unpacked(arguments: tuple[Any, ...]) -> tuple[Inputs, AggregationOptions, tuple[Any, ...]]:
    """The arguments of a registered operation: inputs, options, and what follows them."""
    return Inputs(*arguments[:12]), AggregationOptions(*arguments[12:17]), arguments[17:]


def unpacking(run: Callable[..., Any]) -> Callable[..., Any]:
    """``run(inputs, options, ...)`` as a registered operation calls it."""

    def operation(*arguments: Any) -> Any:
        inputs, options, others = unpacked(arguments)
        return run(inputs, options, *others)

    return operation
