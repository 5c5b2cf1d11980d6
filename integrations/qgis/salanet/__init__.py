"""SalaNet in QGIS: a Processing provider whose algorithms call the command `salanet`."""

from __future__ import annotations

from typing import Any


def classFactory(interface: Any) -> Any:  # noqa: ARG001 - QGIS calls it so
    """What QGIS asks for when it loads the plugin; without a window there is no interface."""
    from .plugin import SalaNetPlugin

    return SalaNetPlugin()
