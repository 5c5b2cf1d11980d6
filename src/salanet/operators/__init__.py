"""Local aggregation operators: one interface, interchangeable."""

from __future__ import annotations

import inspect
from typing import Any

from salanet.errors import ConfigError
from salanet.extensions import Registry
from salanet.operators.adaptive_weight import AdaptiveWeight
from salanet.operators.base import Operator
from salanet.operators.graph_attention import GraphAttention
from salanet.operators.kpconv import KPConv, KPConvDeformable
from salanet.operators.norm import PointNorm
from salanet.operators.pointwise_mlp import PointwiseMLP
from salanet.operators.pospool import PosPool, PosPoolSinCos
from salanet.operators.pseudo_grid import PseudoGrid
from salanet.operators.sala import SALA
from salanet.operators.sala_g4 import SALAG4
from salanet.operators.spherical import Spherical, SphericalFuzzy
from salanet.operators.xconv import XConv


def _check(thing: Any) -> None:
    if not (isinstance(thing, type) and issubclass(thing, Operator)):
        raise TypeError("it has to be a class derived from salanet.operators.Operator")


_OWN: dict[str, type[Operator]] = {
    "sala": SALA,
    "sala_g4": SALAG4,
    "pointwise_mlp": PointwiseMLP,
    "pseudo_grid": PseudoGrid,
    "adaptive_weight": AdaptiveWeight,
    "pospool": PosPool,
    "pospool_sincos": PosPoolSinCos,
    "kpconv": KPConv,
    "kpconv_deformable": KPConvDeformable,
    "spherical": Spherical,
    "spherical_fuzzy": SphericalFuzzy,
    "xconv": XConv,
    "graph_attention": GraphAttention,
}
# And those that others enter: `salanet.extensions`.
OPERATORS = Registry("operator", _OWN, _check)


def create_operator(
    name: str,
    in_channels: int,
    out_channels: int,
    radius: float,
    *,
    width: int | None = None,
    bn_momentum: float | None = None,
    **options: Any,
) -> Operator:
    """The operator called `name`.

    Args:
        name: a key of `OPERATORS`.
        in_channels, out_channels, radius: see `Operator`.
        width: C of the whole network, for the operators whose hidden layers are that wide.
        bn_momentum: of the network, for the operators with batch norms.
        options: the operator's own keyword arguments.

    Raises:
        ConfigError: unknown operator, or an option it does not have.
    """
    if name not in OPERATORS:
        raise ConfigError(f"unknown operator '{name}'; known are {', '.join(OPERATORS)}")
    operator = OPERATORS[name]
    known = list(inspect.signature(operator).parameters)[3:]
    shared = {"width": width, "bn_momentum": bn_momentum}
    given = {name: v for name, v in shared.items() if v is not None and name in known}
    options = given | options
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise ConfigError(
            f"operator '{name}' has no option '{unknown[0]}'; it has {', '.join(known)}"
        )
    return operator(in_channels, out_channels, radius, **options)


__all__ = [
    "OPERATORS",
    "SALA",
    "SALAG4",
    "AdaptiveWeight",
    "GraphAttention",
    "KPConv",
    "KPConvDeformable",
    "Operator",
    "PointNorm",
    "PointwiseMLP",
    "PosPool",
    "PosPoolSinCos",
    "PseudoGrid",
    "Spherical",
    "SphericalFuzzy",
    "XConv",
    "create_operator",
]
