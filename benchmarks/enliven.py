"""A model of version 0.1 with norms in its perceptrons, to go on training from.

    python benchmarks/enliven.py OLD.safetensors NEW.safetensors [--features cell_size …]
    salanet train rooms --from NEW.safetensors --data scenes/

Models of version 0.1 have no batch norm in their perceptrons, and the scores of their groups hardly
differ. Here the norms are put in such that they change nothing for offsets on surfaces, the scores
are made to differ a little, and further input features start without influence: about the same
function, from which training goes on with assignments that can live.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor

from salanet.models import Network, load, save
from salanet.models.networks import create_network
from salanet.operators.pairs import spread_scores
from salanet.sampling import features

SPREAD = 0.06  # added to the scores; a new model has 0.25, see `salanet.operators.sala`
FIRST = "encoder.input.linear.weight"
OFFSETS = 20_000


def offsets() -> Tensor:
    """Of neighbours on surfaces, (OFFSETS, 3) in radii: half of them level, half upright."""
    torch.manual_seed(0)
    along = torch.rand(OFFSETS).sqrt() * torch.polar(torch.ones(OFFSETS), 7 * torch.rand(OFFSETS))
    off = 0.05 * torch.randn(OFFSETS)
    level = torch.stack([along.real, along.imag, off], dim=1)
    turn = torch.polar(torch.ones(OFFSETS), 7 * torch.rand(OFFSETS))
    across = along.real * turn + off * 1j * turn
    upright = torch.stack([across.real, across.imag, along.imag], dim=1)
    return torch.where(torch.arange(OFFSETS)[:, None] % 2 == 0, level, upright)


@torch.no_grad()
def enlivened(old: Network, more: list[str]) -> Network:
    names = [*old.config.features, *more]
    config = old.config.model_copy(
        update={
            "operator_options": {},
            "features": tuple(names),
            "in_channels": features.width(names),
        }
    )
    new = create_network(config, dict(old.metadata))
    state, known = new.state_dict(), old.state_dict()
    state[FIRST].zero_()
    state[FIRST][:, : old.config.in_channels] = known[FIRST]
    seen = offsets()
    for name, tensor in known.items():
        if name.endswith(".lift.weight"):
            operator = name.removesuffix(".lift.weight")
            lifted = _with_norm(state, known, f"{operator}.lift", seen)
            _with_norm(state, known, f"{operator}.hidden", lifted)
            apart = torch.empty_like(known[f"{operator}.score.weight"])
            spread_scores(apart, SPREAD)
            state[f"{operator}.score.weight"].copy_(known[f"{operator}.score.weight"] + apart)
        elif name in state and name != FIRST and not name.endswith(".score.weight"):
            state[name].copy_(tensor)
    return new


def _with_norm(
    state: dict[str, Tensor], known: dict[str, Tensor], block: str, inputs: Tensor
) -> Tensor:
    """The linear map as it was, a norm that changes nothing for these inputs; what comes out."""
    weight, bias = known[f"{block}.weight"], known[f"{block}.bias"]
    out = inputs @ weight.T
    mean, variance = out.mean(0), out.var(0)
    state[f"{block}.weight"].copy_(weight)
    state[f"{block}.norm.running_mean"].copy_(mean)
    state[f"{block}.norm.running_var"].copy_(variance)
    state[f"{block}.norm.weight"].copy_(variance.sqrt())
    state[f"{block}.norm.bias"].copy_(bias + mean)
    return torch.relu(out + bias)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--features", nargs="*", default=[])
    asked = parser.parse_args()
    save(enlivened(load(asked.old), asked.features), asked.new)


if __name__ == "__main__":
    main()
