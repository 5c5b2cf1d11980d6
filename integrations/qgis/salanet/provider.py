"""The provider: its algorithms, and the setting that says where the command is."""

from __future__ import annotations

from processing.core.ProcessingConfig import ProcessingConfig, Setting
from qgis.core import QgsProcessingProvider

from .algorithms import Label, Refine, Smooth, Terrain
from .command import SETTING

GROUP = "SalaNet"


class SalaNetProvider(QgsProcessingProvider):
    """Algorithms salanet:label, smooth, refine and terrain; method names are QGIS's."""

    def load(self) -> bool:
        text = "Command salanet (empty: as found on the path)"
        ProcessingConfig.settingIcons[GROUP] = self.icon()
        ProcessingConfig.addSetting(Setting(GROUP, SETTING, text, "", valuetype=Setting.STRING))
        ProcessingConfig.readSettings()
        self.refreshAlgorithms()
        return True

    def unload(self) -> None:
        ProcessingConfig.removeSetting(SETTING)

    def loadAlgorithms(self) -> None:
        for algorithm in (Label, Smooth, Refine, Terrain):
            self.addAlgorithm(algorithm())

    def id(self) -> str:
        return "salanet"

    def name(self) -> str:
        return GROUP

    def longName(self) -> str:
        return "SalaNet: classes for point clouds"
