"""Networks: build, save, load."""

from __future__ import annotations

from typing import Any

from salanet.models.config import (
    PARTNET_NEIGHBOURS,
    PARTNET_PARTS,
    SCENE_NEIGHBOURS,
    ModelConfig,
    new_config,
)
from salanet.models.files import save
from salanet.models.network import Network
from salanet.models.networks import create_network
from salanet.models.unet import SalaNet
from salanet.models.zoo import load


def create_model(
    config: ModelConfig | None = None, metadata: dict[str, object] | None = None, **options: Any
) -> Network:
    """A freshly initialised network, from a `ModelConfig` or from its fields as keywords.

    Raises:
        ConfigError: the configuration is impossible; the message names the field.
    """
    return create_network(config or new_config(**options), metadata)


__all__ = [
    "PARTNET_NEIGHBOURS",
    "PARTNET_PARTS",
    "SCENE_NEIGHBOURS",
    "ModelConfig",
    "Network",
    "SalaNet",
    "create_model",
    "load",
    "new_config",
    "save",
]
