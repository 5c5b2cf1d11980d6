"""Puts the provider into the Processing toolbox, and takes it out again."""

from __future__ import annotations

from qgis.core import QgsApplication

from .provider import SalaNetProvider


class SalaNetPlugin:
    """The plugin as QGIS drives it; method names are QGIS's."""

    def __init__(self) -> None:
        self._provider: SalaNetProvider | None = None

    def initProcessing(self) -> None:
        self._provider = SalaNetProvider()
        QgsApplication.processingRegistry().addProvider(self._provider)

    def initGui(self) -> None:
        self.initProcessing()

    def unload(self) -> None:
        if self._provider is not None:
            QgsApplication.processingRegistry().removeProvider(self._provider)
            self._provider = None
