"""Networks: build, save, load."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from salanet.errors import ConfigError
from salanet.models.config import PARTNET_NEIGHBOURS, PARTNET_PARTS, SCENE_NEIGHBOURS, ModelConfig
from salanet.models.files import load, save
from salanet.models.unet import SalaNet


def create_model(
    config: ModelConfig | None = None, metadata: dict[str, object] | None = None, **options: Any
) -> SalaNet:
    """A freshly initialised network, from a `ModelConfig` or from its fields as keywords.

    Raises:
        ConfigError: the configuration is impossible; the message names the field.
    """
    if config is None:
        try:
            config = ModelConfig(**options)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"]) or "model"
            raise ConfigError(f"{field}: {first['msg']}") from error
    return SalaNet(config, metadata)


__all__ = [
    "PARTNET_NEIGHBOURS",
    "PARTNET_PARTS",
    "SCENE_NEIGHBOURS",
    "ModelConfig",
    "SalaNet",
    "create_model",
    "load",
    "save",
]
