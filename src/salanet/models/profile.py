"""What a network costs: parameters by part, weight bytes, multiply-accumulates."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from salanet.model_config import ModelConfig
from salanet.models.kpfcnn import KPFCNN, Block
from salanet.models.layers import Dense
from salanet.models.measure import Measurement, surface_cloud
from salanet.models.network import Network
from salanet.models.networks import create_network
from salanet.models.unet import STAGES, Residual, SalaNet
from salanet.operators import Operator

# Points per level at which the paper counts (its Table 2 for scenes), by kind of model.
SCENE_POINTS = (15000, 4096, 1152, 304, 88)
PARTNET_POINTS = (10000, 5120, 1024, 384, 64)


@dataclass(frozen=True)
class Profile:
    """Costs of one network.

    Attributes:
        network, operator, width, in_channels: which network.
        points: points per level the multiply-accumulates are counted at; neighbour lists are full.
            Networks with levels of their own are counted on a cloud of the first number.
        parameters: trainable numbers.
        parameters_by_part: the same, split into aggregation, encoder (its 1x1 convolutions),
            decoder and head; networks built otherwise name their own parts.
        weight_bytes: parameters and running statistics as float32.
        checkpoint_bytes: weights, SGD momentum and running statistics, as a training checkpoint
            holds them.
        macs_per_neighbour: multiply-accumulates the paper's way: every weight applied to every
            neighbour of padded lists, bias included, two per batch-normalised element.
        macs_executed: multiply-accumulates this implementation performs at inference, batch norms
            of dense layers folded.
        measured: seconds and memory on this machine; None unless asked for.
    """

    network: str
    operator: str
    width: int
    in_channels: int
    points: tuple[int, ...]
    parameters: int
    parameters_by_part: dict[str, int]
    weight_bytes: int
    checkpoint_bytes: int
    macs_per_neighbour: int
    macs_executed: int
    measured: Measurement | None = None

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


def profile(
    config: ModelConfig,
    points: tuple[int, ...] | None = None,
    measured: Measurement | None = None,
) -> Profile:
    """Count the costs of a network.

    Args:
        config: the architecture.
        points: points per level, finest first; default is the paper's.
        measured: put beside the counts, see `salanet.models.measure`.
    """
    points = points or (PARTNET_POINTS if config.parts else SCENE_POINTS)
    if config.network in ("salanet", "kpfcnn"):
        with torch.device("meta"):
            model = create_network(config)
        paper, executed = macs(model, points)
    else:
        model = create_network(config)
        points = points[:1]
        paper, executed = macs_of_a_run(model, points[0])
    parameters = sum(p.numel() for p in model.parameters())
    stored = sum(t.numel() for t in model.state_dict().values() if t.is_floating_point())
    return Profile(
        network=config.network,
        operator=config.operator_name,
        width=config.width,
        in_channels=config.in_channels,
        points=points,
        parameters=parameters,
        parameters_by_part=parameters_by_part(model),
        weight_bytes=4 * stored,
        checkpoint_bytes=4 * (parameters + stored),
        macs_per_neighbour=paper,
        macs_executed=executed,
        measured=measured,
    )


def parameters_by_part(model: Network) -> dict[str, int]:
    def count(module: nn.Module) -> int:
        return sum(p.numel() for p in module.parameters())

    if not isinstance(model, SalaNet):
        return {name: count(module) for name, module in model.named_children()}
    aggregation = sum(count(m) for m in model.encoder.modules() if isinstance(m, Operator))
    return {
        "aggregation": aggregation,
        "encoder": count(model.encoder) - aggregation,
        "decoder": count(model.decoder),
        "head": count(model.head),
    }


def macs(model: Network, points: tuple[int, ...]) -> tuple[int, int]:
    """Multiply-accumulates of one forward pass: (the paper's way, as executed)."""
    assert isinstance(model, SalaNet | KPFCNN)
    k = model.config.neighbours
    total = Total()
    encoder = model.encoder if isinstance(model, SalaNet) else model
    decoder = model.decoder if isinstance(model, SalaNet) else model
    if isinstance(model, SalaNet):
        total.layers(model.encoder.input, points[0])
    total.operator(encoder.first, points[0], points[0], k[0])
    for stage, block in enumerate(encoder.residual):
        total.block(block, points[stage], points[stage], k[stage])
    for stage, block in enumerate(encoder.strided):
        total.block(block, points[stage + 1], points[stage], k[stage])
    for step, dense in enumerate(decoder.up):
        total.layers(dense, points[STAGES - 2 - step])
    total.layers(model.head, points[0])
    return total.paper, total.executed


def macs_of_a_run(model: Network, points: int) -> tuple[int, int]:
    """The same for networks with levels of their own, counted while one labels a cloud.

    Modules that multiply otherwise say how much by a method `macs_of` of what they are given.
    """
    total = Total()

    def count(module: nn.Module, inputs: tuple[Tensor, ...], _: Tensor) -> None:
        if isinstance(module, Operator):
            queries, supports, neighbours, _ = inputs
            total.operator(module, len(queries), len(supports), neighbours.shape[1])
        else:
            total.layers(module, len(inputs[0]))

    def count_own(module: nn.Module, inputs: tuple[Any, ...], _: Tensor) -> None:
        macs_of: Any = module.macs_of
        total.add(*macs_of(*inputs))

    counted = [m for m in model.modules() if isinstance(m, Dense | Operator)]
    within = {part for m in counted for part in m.modules() if part is not m}
    for module in model.modules():
        if isinstance(module, Dense | Operator | nn.Linear) and module not in within:
            module.register_forward_hook(count)
        elif callable(getattr(module, "macs_of", None)):
            module.register_forward_hook(count_own)
    cloud = surface_cloud(points, model.config.grid)
    with torch.no_grad():
        model.eval()(torch.zeros(points, model.config.in_channels), model.pyramid(cloud))
    return total.paper, total.executed


class Total:
    def __init__(self) -> None:
        self.paper = 0
        self.executed = 0

    def add(self, paper: int, executed: int) -> None:
        self.paper += paper
        self.executed += executed

    def layers(self, module: nn.Module, rows: int) -> None:
        """Every dense layer and linear map of a module, applied to so many rows."""
        dense = [m for m in module.modules() if isinstance(m, Dense)]
        for layer in dense:
            inputs, outputs = layer.linear.in_features, layer.linear.out_features
            self.add(rows * (inputs + 2) * outputs, rows * (inputs + 1) * outputs)
        counted = {layer.linear for layer in dense}
        for linear in module.modules():
            if isinstance(linear, nn.Linear) and linear not in counted:
                inputs = linear.in_features + (linear.bias is not None)
                cost = rows * inputs * linear.out_features
                self.add(cost, cost)

    def operator(self, operator: nn.Module, queries: int, supports: int, k: int) -> None:
        assert isinstance(operator, Operator)
        self.add(
            operator.macs_per_neighbour(queries, supports, k),
            operator.macs_executed(queries, supports, k),
        )

    def block(self, block: nn.Module, queries: int, supports: int, k: int) -> None:
        assert isinstance(block, Residual | Block)
        self.layers(block.reduce, supports)
        self.operator(block.aggregate, queries, supports, k)
        self.layers(block.expand, queries)
        self.layers(block.shortcut, queries)
