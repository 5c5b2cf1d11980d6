"""A network whose inputs are plain tensors: features and, for each level, points and indices."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from salanet.errors import ConfigError
from salanet.export.folding import fold_norms
from salanet.models import Network
from salanet.pyramid import Level, Pyramid

# Networks on the pyramid of `salanet.pyramid`; the others make levels of their own as they run.
EXPORTABLE = ("salanet", "kpfcnn")
PER_LEVEL = ("points", "neighbours", "pool", "upsample")


class FlatNetwork(nn.Module):
    """A network for inference on one cloud, as a function of tensors alone.

    `forward(features, points_0, neighbours_0, pool_0, upsample_0, points_1, …)` takes what
    `flat_inputs` returns, in its order, and returns a tuple of logits (N, classes), one for each
    of `outputs`. Every batch norm is folded; the weights are copies.

    Attributes:
        outputs: "logits", or one "logits_CATEGORY" for each category of a model of parts.

    Raises:
        ConfigError: the network cannot be exported.
    """

    def __init__(self, model: Network) -> None:
        super().__init__()
        config = model.config
        if config.network not in EXPORTABLE:
            raise ConfigError(
                f"the network '{config.network}' cannot be exported: it chooses its points as it "
                f"runs; those that can are {', '.join(EXPORTABLE)}"
            )
        self.network = fold_norms(copy.deepcopy(model).cpu().fold())
        self.outputs = [f"logits_{name}" for name in config.parts] or ["logits"]

    def forward(self, features: Tensor, *levels: Tensor) -> tuple[Tensor, ...]:
        logits = self.network(features, self._pyramid(levels))
        return tuple(logits) if isinstance(logits, list) else (logits,)

    def _pyramid(self, tensors: tuple[Tensor, ...]) -> Pyramid:
        config = self.network.config
        given = dict(zip(input_names(len(config.neighbours))[1:], tensors, strict=True))
        one_cloud = torch.zeros(0)  # nothing that can be exported looks at the splits
        levels = [
            Level(
                given[f"points_{s}"],
                one_cloud,
                config.radius * 2**s,
                given[f"neighbours_{s}"],
                given.get(f"pool_{s}"),
                given.get(f"upsample_{s}"),
            )
            for s in range(len(config.neighbours))
        ]
        return Pyramid(levels)


def input_names(levels: int) -> list[str]:
    """features, then points_s, neighbours_s, pool_s, upsample_s; the coarsest has no last two."""
    names = [f"{name}_{s}" for s in range(levels) for name in PER_LEVEL]
    return ["features", *names[:-2]]


def flat_inputs(features: Tensor, pyramid: Pyramid) -> dict[str, Tensor]:
    """The inputs of `FlatNetwork`, by name and in its order.

    features and points are float32, all indices int32; N marks a missing neighbour.
    """
    tensors = [getattr(level, name) for level in pyramid.levels for name in PER_LEVEL]
    names = input_names(len(pyramid.levels))
    return dict(zip(names, [features, *tensors[:-2]], strict=True))
