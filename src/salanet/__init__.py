"""SalaNet: semantic segmentation of 3D point clouds with tiny networks that run anywhere.

The names below are loaded when first used, so that ``import salanet`` stays fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_LAZY = {
    "PointCloud": "salanet.cloud",
    "SalaNetError": "salanet.errors",
    "read": "salanet.io",
    "write": "salanet.io",
    "create_model": "salanet.models",
    "load": "salanet.models",
    "save": "salanet.models",
}

if TYPE_CHECKING:
    from salanet.cloud import PointCloud
    from salanet.errors import SalaNetError
    from salanet.io import read, write
    from salanet.models import create_model, load, save

__all__ = ["PointCloud", "SalaNetError", "create_model", "load", "read", "save", "write"]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'salanet' has no attribute '{name}'")
    return getattr(import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
