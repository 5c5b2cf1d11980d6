"""Networks: build, save, load. Needs PyTorch, which is imported when a network is first used.

`salanet.models()`, called, lists the models that come with the package.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from salanet._lazy import lazily
from salanet.model_config import (
    PARTNET_NEIGHBOURS,
    PARTNET_PARTS,
    SCENE_NEIGHBOURS,
    ModelConfig,
    new_config,
)

if TYPE_CHECKING:
    from salanet.models.create import create_model
    from salanet.models.files import load, save
    from salanet.models.network import Network
    from salanet.models.unet import SalaNet

_LAZY = {
    "Network": "salanet.models.network",
    "SalaNet": "salanet.models.unet",
    "create_model": "salanet.models.create",
    "load": "salanet.models.files",
    "save": "salanet.models.files",
}


__getattr__ = lazily(__name__, _LAZY)


class _Package(ModuleType):
    """The package is what `salanet.models` names, whether or not anybody has imported it."""

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return import_module("salanet._front").models(*arguments, **named)


sys.modules[__name__].__class__ = _Package

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
