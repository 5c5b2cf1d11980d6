"""A model of version 0.1 with living assignments, to go on training from (`salanet train --from`).

    python benchmarks/enliven.py OLD.safetensors NEW.safetensors [--features cell_size …]

Models of version 0.1 have no batch norm in their perceptrons, and the scores of their groups hardly
differ. Here the norms are put in such that relative positions are lifted as before, the scores are
drawn anew, and further input features start without influence. What the model had learned is about
right, and it must be trained.
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

OFFSET_VARIANCE = 0.17  # of a coordinate of (p_j - p_i) / radius, on surfaces
SPREAD = 0.15  # of the scores over neighbours, see `salanet.operators.sala.SPREAD`
FIRST = "encoder.input.linear.weight"


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
    torch.manual_seed(0)
    new = create_network(config, dict(old.metadata))
    state, known = new.state_dict(), old.state_dict()
    state[FIRST].zero_()
    state[FIRST][:, : old.config.in_channels] = known[FIRST]
    for name, tensor in known.items():
        if ".lift." in name:
            _lift(state, known, name)
        elif name != FIRST and ".hidden." not in name and ".score." not in name:
            state[name].copy_(tensor)
    for name, tensor in state.items():
        if name.endswith(".score.weight"):
            spread_scores(tensor, SPREAD)
    new.load_state_dict(state)
    return new


def _lift(state: dict[str, Tensor], known: dict[str, Tensor], name: str) -> None:
    """The linear map as it was, and a norm that takes nothing away and adds the old bias."""
    block = name.rsplit(".", 1)[0]
    weight, bias = known[f"{block}.weight"], known[f"{block}.bias"]
    variance = OFFSET_VARIANCE * weight.square().sum(1)
    state[f"{block}.weight"].copy_(weight)
    state[f"{block}.norm.running_mean"].zero_()
    state[f"{block}.norm.running_var"].copy_(variance)
    state[f"{block}.norm.weight"].copy_(variance.sqrt())
    state[f"{block}.norm.bias"].copy_(bias)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--features", nargs="*", default=[])
    asked = parser.parse_args()
    save(enlivened(load(asked.old), asked.features), asked.new)


if __name__ == "__main__":
    main()
