"""New networks."""

from __future__ import annotations

from typing import Any

from salanet.model_config import ModelConfig, new_config
from salanet.models.network import Network
from salanet.models.networks import create_network


def create_model(
    config: ModelConfig | None = None, metadata: dict[str, object] | None = None, **options: Any
) -> Network:
    """A freshly initialised network, from a `ModelConfig` or from its fields as keywords.

    Raises:
        ConfigError: the configuration is impossible; the message names the field.
    """
    return create_network(config or new_config(**options), metadata)
