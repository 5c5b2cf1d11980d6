"""The algorithms: parameters, and the command that each becomes."""

from __future__ import annotations

import os
import tempfile
from typing import Any

from processing.core.ProcessingConfig import ProcessingConfig
from qgis.core import (
    QgsFeatureSource,
    QgsGeometry,
    QgsProcessing,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterFile,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterString,
)

from . import command

CLOUDS = "Point clouds (*.laz *.las *.ply *.pcd *.e57 *.npz *.xyz *.csv *.txt);;All files (*)"
OUT = "LAZ (*.laz);;LAS (*.las);;PLY (*.ply);;PCD (*.pcd);;NPZ (*.npz)"
INPUT, OUTPUT, MODEL, KEEP, AREA = "INPUT", "OUTPUT", "MODEL", "KEEP", "AREA"
CONFIDENCE, REGULARISE, SIZE, CELL = "CONFIDENCE", "REGULARISE", "SIZE", "CELL"


class Algorithm(QgsProcessingAlgorithm):
    """What they share; method names are QGIS's."""

    NAME = TITLE = HELP = ""

    def name(self) -> str:
        return self.NAME

    def displayName(self) -> str:
        return self.TITLE

    def shortHelpString(self) -> str:
        return self.HELP

    def createInstance(self) -> QgsProcessingAlgorithm:
        return type(self)()

    def flags(self) -> Any:
        return super().flags() | QgsProcessingAlgorithm.FlagCanCancel

    def arguments(self, folder: str) -> list[str]:
        """What the command is called with; files of its own may go to the folder."""
        raise NotImplementedError

    def processAlgorithm(
        self,
        parameters: dict[str, Any],
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
    ) -> dict[str, Any]:
        self._given, self._context = parameters, context
        to = self.output()
        with tempfile.TemporaryDirectory() as folder:
            try:
                found = command.executable(ProcessingConfig.getSetting(command.SETTING) or "")
                arguments = self.arguments(folder)
                feedback.pushCommandInfo(" ".join(["salanet", *arguments]))
                report = command.run(
                    found,
                    arguments,
                    progress=lambda what, percent: _show(feedback, what, percent),
                    said=feedback.pushInfo,
                    cancelled=feedback.isCanceled,
                )
            except command.CommandError as error:
                raise QgsProcessingException(str(error)) from error
            except command.Cancelled:
                return {}
        for line in command.summary(report):
            feedback.pushInfo(line)
        return {OUTPUT: to}

    def file(self) -> str:
        return str(self.parameterAsFile(self._given, INPUT, self._context))

    def text(self, name: str) -> str:
        return str(self.parameterAsString(self._given, name, self._context)).strip()

    def output(self) -> str:
        """Where the result goes, in a folder that is there."""
        to = str(self.parameterAsFileOutput(self._given, OUTPUT, self._context))
        os.makedirs(os.path.dirname(to) or ".", exist_ok=True)  # noqa: PTH103, PTH120
        return to

    def area(self, folder: str) -> str:
        """The file of the polygons of a layer, all as one; "" without a layer."""
        source = self.parameterAsSource(self._given, AREA, self._context)
        if source is None:
            return ""
        geometry = QgsGeometry.unaryUnion(_geometries(source))
        if geometry.isEmpty():
            raise QgsProcessingException("the layer of the area has no polygon")
        path = os.path.join(folder, "area.wkt")  # noqa: PTH118
        with open(path, "w", encoding="utf-8") as file:  # noqa: PTH123
            file.write(command.area_text(geometry.asWkt(6), source.sourceCrs().authid()))
        return path

    def add_cloud(self, text: str = "Point cloud") -> None:
        self.addParameter(QgsProcessingParameterFile(INPUT, text, fileFilter=CLOUDS))

    def add_area(self, text: str, optional: bool = True) -> None:
        kinds = [QgsProcessing.TypeVectorPolygon]
        self.addParameter(QgsProcessingParameterFeatureSource(AREA, text, kinds, None, optional))

    def add_keep(self) -> None:
        text = "Classes that points keep: auto, none, all, or such as 7,9,water"
        self.addParameter(QgsProcessingParameterString(KEEP, text, "auto", False, True))


class Label(Algorithm):
    NAME, TITLE = "label", "Label a point cloud"
    HELP = (
        "Gives every point a class: the same points in the same order, every other attribute as it "
        "was. Without a model, the one of the package that the file looks made for. Codes that the "
        "model cannot give, such as water and bridges, and noise are kept."
    )

    def initAlgorithm(self, _: Any = None) -> None:
        self.add_cloud()
        text = "Model: a file, or aerial, rooms, rooms-large (empty: what suits the file)"
        self.addParameter(QgsProcessingParameterString(MODEL, text, "", False, True))
        self.add_keep()
        self.add_area("Label nothing outside these polygons")
        text = "Add the confidence of each point"
        self.addParameter(QgsProcessingParameterBoolean(CONFIDENCE, text, False))
        text = "Put isolated points and small islands right"
        self.addParameter(QgsProcessingParameterBoolean(REGULARISE, text, False))
        self.addParameter(QgsProcessingParameterFileDestination(OUTPUT, "Labelled", OUT))

    def arguments(self, folder: str) -> list[str]:
        return command.label(
            self.file(),
            self.output(),
            model=self.text(MODEL),
            keep=self.text(KEEP),
            area=self.area(folder),
            confidence=self.parameterAsBool(self._given, CONFIDENCE, self._context),
            regularise=self.parameterAsBool(self._given, REGULARISE, self._context),
        )


class Smooth(Algorithm):
    NAME, TITLE = "smooth", "Smooth the classes of a point cloud"
    HELP = (
        "Isolated points and small islands of a class get the class that most of what is around "
        "them on the same surface has."
    )

    def initAlgorithm(self, _: Any = None) -> None:
        self.add_cloud("Labelled point cloud")
        text = "Most cells of an island, about as many points"
        whole = QgsProcessingParameterNumber.Integer
        number = QgsProcessingParameterNumber(SIZE, text, whole, 10, False, 1, 100)
        self.addParameter(number)
        self.add_keep()
        self.add_area("Change nothing outside these polygons")
        self.addParameter(QgsProcessingParameterFileDestination(OUTPUT, "Smoothed", OUT))

    def arguments(self, folder: str) -> list[str]:
        size = self.parameterAsInt(self._given, SIZE, self._context)
        area, keep = self.area(folder), self.text(KEEP)
        return command.smooth(self.file(), self.output(), size=size, keep=keep, area=area)


class Refine(Algorithm):
    NAME, TITLE = "refine", "Refine a model on what was checked"
    HELP = (
        "A model goes on learning from a point cloud whose classes a person has put right within "
        "some polygons; elsewhere it is held to what it knew. Takes about a minute, and needs pip "
        "install 'salanet[train]'. Label with the new model afterwards."
    )

    def initAlgorithm(self, _: Any = None) -> None:
        self.add_cloud("Labelled point cloud, checked in part")
        self.add_area("Polygons within which every class is right", optional=False)
        text = "Model to start from: a file, or aerial, rooms, rooms-large"
        self.addParameter(QgsProcessingParameterString(MODEL, text, "aerial"))
        kind = "Model (*.safetensors)"
        self.addParameter(QgsProcessingParameterFileDestination(OUTPUT, "Refined model", kind))

    def arguments(self, folder: str) -> list[str]:
        area = self.area(folder)
        return command.refine(self.file(), self.output(), start=self.text(MODEL), area=area)


class Terrain(Algorithm):
    NAME, TITLE = "terrain", "Terrain model of a labelled point cloud"
    HELP = (
        "The mean height of the ground points of each cell as GeoTIFF; gaps are filled from "
        "around, and marked in a second band. Needs pip install 'salanet[raster]'."
    )

    def initAlgorithm(self, _: Any = None) -> None:
        self.add_cloud("Labelled point cloud")
        text = "Size of a cell in the units of the file (0: a metre)"
        real = QgsProcessingParameterNumber.Double
        self.addParameter(QgsProcessingParameterNumber(CELL, text, real, 0.0, False, 0.0))
        self.addParameter(QgsProcessingParameterRasterDestination(OUTPUT, "Terrain model"))

    def output(self) -> str:
        return str(self.parameterAsOutputLayer(self._given, OUTPUT, self._context))

    def arguments(self, folder: str) -> list[str]:  # noqa: ARG002
        cell = self.parameterAsDouble(self._given, CELL, self._context)
        return command.terrain(self.file(), self.output(), cell=cell)


def _geometries(source: QgsFeatureSource) -> list[QgsGeometry]:
    found = [feature.geometry() for feature in source.getFeatures()]
    return [geometry for geometry in found if not geometry.isNull()]


def _show(feedback: QgsProcessingFeedback, what: str, percent: int) -> None:
    feedback.setProgressText(what)
    feedback.setProgress(percent)
