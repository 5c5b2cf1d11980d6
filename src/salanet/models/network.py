"""What every network has in common: its architecture, its metadata, and the pyramid it expects."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from itertools import pairwise
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from salanet import pyramid
from salanet.model_card import ModelCard
from salanet.model_config import ModelConfig
from salanet.models.layers import Dense
from salanet.operators.pairs import PairDense
from salanet.pyramid import Pyramid
from salanet.sampling.boxes import BUFFER_RADII
from salanet.sampling.partition import PartitionOptions, Superpoints


class Network(nn.Module, ABC):
    """Point features and their pyramid to logits.

    A scene model returns logits (N, classes). A model with `parts` has one head per category and
    returns a list of logits (N, parts of the category), in the order of `config.parts`.

    Attributes:
        config: the architecture.
        metadata: what a user needs to know to use the weights: class names, codes and colours,
            feature normalisation, training data and its licence, measured metrics.
        pass_points: most points of a pass, for a network whose time grows faster than they do.
        buffer_radii: how far a tile sees beyond its core, in radii of the finest level.
    """

    pass_points: ClassVar[int | None] = None
    buffer_radii: ClassVar[float] = BUFFER_RADII

    def __init__(self, config: ModelConfig, metadata: dict[str, object] | None = None) -> None:
        super().__init__()
        self.config = config
        self.metadata: dict[str, object] = metadata or {}

    @property
    def card(self) -> ModelCard:
        """The metadata, typed."""
        return ModelCard.of(self.metadata)

    def add_heads(self, head: Callable[[int], nn.Module]) -> None:
        """Set `self.head`: one for the classes, or one for each category's parts."""
        if self.config.parts:
            self.head: nn.Module = nn.ModuleList(head(n) for n in self.config.parts.values())
        else:
            self.head = head(len(self.config.classes))

    def forward(self, features: Tensor, pyramid: Pyramid) -> Tensor | list[Tensor]:
        """Logits of the finest level.

        Args:
            features: float32 (N, in_channels) of the pyramid's finest points.
            pyramid: from `self.pyramid`.
        """
        x = self.embed(features, pyramid)
        if isinstance(self.head, nn.ModuleList):
            return [self.classify(head, x, features, pyramid) for head in self.head]
        return self.classify(self.head, x, features, pyramid)

    @abstractmethod
    def embed(self, features: Tensor, pyramid: Pyramid) -> Tensor:
        """What the heads see of each point: (N, in_channels) -> (N, channels)."""

    def classify(self, head: nn.Module, x: Tensor, features: Tensor, pyramid: Pyramid) -> Tensor:
        """Logits (N, classes) of one head for what `embed` made of the points."""
        del features, pyramid  # for heads that see more than a point at a time
        logits: Tensor = head(x)
        return logits

    def pyramid(self, points: Tensor, splits: Tensor | None = None) -> Pyramid:
        """The pyramid this network expects: points float32 (N, 3), one per cell of `grid`."""
        config = self.config
        return pyramid.build(
            points,
            splits,
            grid=config.grid,
            radius=config.radius,
            neighbours=config.neighbours,
        )

    def fold(self) -> Self:
        """Merge batch norms into the linear maps, in place, and switch to inference."""
        self.eval().requires_grad_(False)
        for module in self.modules():
            if isinstance(module, (Dense, PairDense)):
                module.fold()
        return self

    def regularisation(self) -> Tensor:
        """What the network adds to the loss of its latest training step; zero for most."""
        total = next(self.parameters()).new_zeros(())
        for module in self.modules():
            term = getattr(module, "regularisation", None)
            if module is not self and callable(term):
                total = total + term()
        return total

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The parameters for an optimiser, grouped by `lr_multiplier`.

        A module with an attribute of that name learns at so many times the rate; the offsets of
        deformable kernels do.
        """
        groups: dict[float, list[nn.Parameter]] = {}
        for module in self.modules():
            multiplier = float(getattr(module, "lr_multiplier", 1.0))
            groups.setdefault(multiplier, []).extend(module.parameters(recurse=False))
        return [
            {"params": parameters, "lr_multiplier": multiplier}
            for multiplier, parameters in sorted(groups.items(), reverse=True)
            if parameters
        ]


class Partitioned(Network):
    """A network that sees a cloud in parts, which prepared scenes keep.

    Attributes:
        partition: how clouds are parted.
    """

    partition: PartitionOptions

    @abstractmethod
    def pyramid(
        self,
        points: Tensor,
        splits: Tensor | None = None,
        superpoints: Superpoints | None = None,
    ) -> Pyramid:
        """As that of any network; `superpoints` of all points where they are known."""


def pyramid_of(
    model: Network, points: Tensor, splits: Tensor | None, superpoints: Superpoints | None
) -> Pyramid:
    """The pyramid of a network, on known parts if there are any."""
    if superpoints is None:
        return model.pyramid(points, splits)
    assert isinstance(model, Partitioned)
    return model.pyramid(points, splits, superpoints)


def clouds(splits: Tensor) -> list[slice]:
    """The rows of each cloud of a stacked batch."""
    ends = splits.tolist()
    return [slice(a, b) for a, b in pairwise(ends)]


def centred(points: Tensor, splits: Tensor) -> Tensor:
    """Points (N, 3) relative to the mean of their cloud."""
    parts = [points[rows] - points[rows].mean(0) for rows in clouds(splits)]
    return torch.cat(parts) if parts else points
