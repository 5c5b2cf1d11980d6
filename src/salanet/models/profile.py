"""What a network costs: parameters by part, weight bytes, multiply-accumulates."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import nn

from salanet.models.config import ModelConfig
from salanet.models.unet import STAGES, Dense, Residual, SalaNet
from salanet.operators import Operator

# Points per level at which the paper counts (its Table 2 for scenes), by kind of model.
SCENE_POINTS = (15000, 4096, 1152, 304, 88)
PARTNET_POINTS = (10000, 5120, 1024, 384, 64)


@dataclass(frozen=True)
class Profile:
    """Costs of one network.

    Attributes:
        operator, width, in_channels: which network.
        points: points per level the multiply-accumulates are counted at; neighbour lists are full.
        parameters: trainable numbers.
        parameters_by_part: the same, split into aggregation, encoder (its 1x1 convolutions),
            decoder and head.
        weight_bytes: parameters and running statistics as float32.
        checkpoint_bytes: weights, SGD momentum and running statistics, as a training checkpoint
            holds them.
        macs_per_neighbour: multiply-accumulates the paper's way: every weight applied to every
            neighbour of padded lists, bias included, two per batch-normalised element.
        macs_executed: multiply-accumulates this implementation performs at inference, batch norms
            of dense layers folded.
    """

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

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


def profile(config: ModelConfig, points: tuple[int, ...] | None = None) -> Profile:
    """Count without running anything.

    Args:
        config: the architecture.
        points: points per level, finest first; default is the paper's.
    """
    with torch.device("meta"):
        model = SalaNet(config)
    points = points or (PARTNET_POINTS if config.parts else SCENE_POINTS)
    paper, executed = macs(model, points)
    parameters = sum(p.numel() for p in model.parameters())
    buffers = sum(b.numel() for b in model.buffers() if b.is_floating_point())
    return Profile(
        operator=config.operator,
        width=config.width,
        in_channels=config.in_channels,
        points=points,
        parameters=parameters,
        parameters_by_part=parameters_by_part(model),
        weight_bytes=4 * (parameters + buffers),
        checkpoint_bytes=4 * (2 * parameters + buffers),
        macs_per_neighbour=paper,
        macs_executed=executed,
    )


def parameters_by_part(model: SalaNet) -> dict[str, int]:
    def count(module: nn.Module) -> int:
        return sum(p.numel() for p in module.parameters())

    aggregation = sum(count(m) for m in model.encoder.modules() if isinstance(m, Operator))
    return {
        "aggregation": aggregation,
        "encoder": count(model.encoder) - aggregation,
        "decoder": count(model.decoder),
        "head": count(model.head),
    }


def macs(model: SalaNet, points: tuple[int, ...]) -> tuple[int, int]:
    """Multiply-accumulates of one forward pass: (the paper's way, as executed)."""
    k = model.config.neighbours
    total = Total()
    encoder = model.encoder
    total.dense(encoder.input, points[0])
    total.operator(encoder.first, points[0], points[0], k[0])
    for stage, block in enumerate(encoder.residual):
        total.block(block, points[stage], points[stage], k[stage])
    for stage, block in enumerate(encoder.strided):
        total.block(block, points[stage + 1], points[stage], k[stage])
    for step, dense in enumerate(model.decoder.up):
        total.dense(dense, points[STAGES - 2 - step])
    for module in model.head.modules():
        if isinstance(module, Dense):
            total.dense(module, points[0])
    for head in model.head if isinstance(model.head, nn.ModuleList) else [model.head]:
        classifier = head[-1]
        cost = points[0] * (classifier.in_features + 1) * classifier.out_features
        total.add(cost, cost)
    return total.paper, total.executed


class Total:
    def __init__(self) -> None:
        self.paper = 0
        self.executed = 0

    def add(self, paper: int, executed: int) -> None:
        self.paper += paper
        self.executed += executed

    def dense(self, layer: Dense, rows: int) -> None:
        inputs, outputs = layer.linear.in_features, layer.linear.out_features
        self.add(rows * (inputs + 2) * outputs, rows * (inputs + 1) * outputs)

    def operator(self, operator: nn.Module, queries: int, supports: int, k: int) -> None:
        assert isinstance(operator, Operator)
        self.add(
            operator.macs_per_neighbour(queries, supports, k),
            operator.macs_executed(queries, supports, k),
        )

    def block(self, block: nn.Module, queries: int, supports: int, k: int) -> None:
        assert isinstance(block, Residual)
        self.dense(block.reduce, supports)
        self.operator(block.aggregate, queries, supports, k)
        self.dense(block.expand, queries)
        if isinstance(block.shortcut, Dense):
            self.dense(block.shortcut, queries)
