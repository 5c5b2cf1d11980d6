"""A scene model without PyTorch: clouds in, classes out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from salanet import geometry
from salanet.cloud import PointCloud
from salanet.edge.files import load
from salanet.errors import FileError
from salanet.sampling import features
from salanet.sampling.boxes import HALO_RADII, TILE_POINTS, tiles
from salanet.sampling.cells import cell_features, to_cells


class Segmenter:
    """A scene model from a `.safetensors` file, or from one that `salanet export` wrote.

    A `.safetensors` file with the operator SALA runs by the fused kernels and NumPy; an `.onnx`
    file, of any operator, by ONNX Runtime, in several times the time and memory. Either way the
    cloud takes the path of `salanet predict` (cells, features, pyramid, tiles), so the labels are
    the same.

    Args:
        path: the model file.
        threads: of the kernels or of ONNX Runtime; None for as many as
            `salanet.geometry.threads`.

    Attributes:
        classes: class names, in the order of the labels.
        codes: the code of each class in the training files; 0, 1, … where the model has none.
        config: the network's architecture, as `ModelConfig` dumps it.
        metadata: what else the model file told.

    Raises:
        MissingExtraError: onnxruntime is not installed.
        FileError: the file is absent, damaged or not one of ours.
        ConfigError: the model labels object parts, not scenes; or it is no SALA and no ONNX file.
    """

    def __init__(self, path: str | Path, *, threads: int | None = None) -> None:
        model = load(Path(path), threads or geometry.threads())
        self.config, self.metadata, self._run = model
        try:
            self.classes: list[str] = list(self.config["classes"])
            self._names = features.normalise_names(self.config["features"])
            self._grid = float(self.config["grid"])
            self._radius = float(self.config["radius_cells"]) * self._grid
        except (ValueError, KeyError, TypeError) as error:
            raise FileError(path, f"its metadata is damaged ({error})") from error
        count = len(self.classes)
        codes: list[int] = self.metadata.get("codes") or []
        self.codes = list(codes) if len(codes) == count else list(range(count))

    def predict(
        self,
        xyz: ArrayLike,
        *,
        rgb: ArrayLike | None = None,
        intensity: ArrayLike | None = None,
        tile_points: int = TILE_POINTS,
        **attributes: ArrayLike,
    ) -> NDArray[np.int64]:
        """The class of every point.

        Args:
            xyz: (N, 3), finite, in the units of the training data; absolute coordinates are fine.
            rgb: uint8 (N, 3).
            intensity: (N,), as the source stores it.
            tile_points: most cells of one pass; bounds the memory.
            attributes: further arrays of N rows that the model's features need, such as
                return_number and number_of_returns.

        Returns:
            int64 (N,), rows of `classes`.

        Raises:
            DataError: the cloud is empty, has NaN or infinite coordinates, or lacks an attribute.
        """
        cloud = PointCloud(
            np.asarray(xyz, np.float64),
            rgb=None if rgb is None else np.asarray(rgb),
            intensity=None if intensity is None else np.asarray(intensity, np.float32),
            attributes={name: np.asarray(array) for name, array in attributes.items()},
        )
        where = "point cloud"
        cells = to_cells(cloud, self._grid, keep=features.required(self._names), where=where)
        scale = self.metadata.get("intensity_scale") or None
        seen = cell_features(cells, self._names, scale, where)
        labels = np.empty(len(seen), np.int64)
        for rows, core in tiles(cells.coord, tile_points, HALO_RADII * self._radius):
            logits = self.logits(cells.coord[rows], seen[rows])
            labels[rows[core]] = logits[core].argmax(1)
        return labels[cells.of_point]

    def logits(
        self, points: NDArray[np.float32], features: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Logits (N, classes) of points (N, 3), one per cell of the grid, and features (N, C)."""
        levels = geometry.pyramid(
            points, grid=self._grid, radius=self._radius, neighbours=self.config["neighbours"]
        )
        return self._run(features, levels)
