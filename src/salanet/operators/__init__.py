"""Local aggregation operators: one file each, one interface, interchangeable."""

from __future__ import annotations

import inspect
from typing import Any

from salanet.errors import ConfigError
from salanet.operators.base import Operator
from salanet.operators.norm import PointNorm
from salanet.operators.sala import SALA

OPERATORS: dict[str, type[Operator]] = {"sala": SALA}


def create_operator(
    name: str, in_channels: int, out_channels: int, radius: float, **options: Any
) -> Operator:
    """The operator called `name`; `options` are its own keyword arguments.

    Raises:
        ConfigError: unknown operator, or an option it does not have.
    """
    if name not in OPERATORS:
        raise ConfigError(f"unknown operator '{name}'; known are {', '.join(OPERATORS)}")
    operator = OPERATORS[name]
    known = list(inspect.signature(operator).parameters)[3:]
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise ConfigError(
            f"operator '{name}' has no option '{unknown[0]}'; it has {', '.join(known)}"
        )
    return operator(in_channels, out_channels, radius, **options)


__all__ = ["OPERATORS", "SALA", "Operator", "PointNorm", "create_operator"]
