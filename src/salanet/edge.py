"""Segmentation without PyTorch: NumPy, the native geometry kernels, and ONNX Runtime.

from salanet.edge import Segmenter

labels = Segmenter("model.onnx").predict(xyz, rgb=rgb)
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from salanet import geometry
from salanet.cloud import PointCloud
from salanet.errors import ConfigError, FileError, MissingExtraError
from salanet.sampling import features
from salanet.sampling.boxes import HALO_RADII, TILE_POINTS, tiles
from salanet.sampling.cells import cell_features, to_cells

# The key of our JSON document in the file's metadata, as in a safetensors file.
KEY = "salanet"


class Segmenter:
    """A scene model from a file that `salanet export` wrote.

    The cloud takes the path of `salanet predict` (cells, features, pyramid, tiles), so the labels
    are the same.

    Args:
        path: the .onnx file.
        threads: of ONNX Runtime; None for as many as `salanet.geometry.threads`.

    Attributes:
        classes: class names, in the order of the labels.
        codes: the code of each class in the training files; 0, 1, … where the model has none.
        config: the network's architecture, as `ModelConfig` dumps it.
        metadata: what else the model file told.

    Raises:
        MissingExtraError: onnxruntime is not installed.
        FileError: the file is absent, damaged or not one of ours.
        ConfigError: the model labels object parts, not scenes.
    """

    def __init__(self, path: str | Path, *, threads: int | None = None) -> None:
        self._session = _open(Path(path), threads or geometry.threads())
        document = self._session.get_modelmeta().custom_metadata_map.get(KEY)
        if document is None:
            raise FileError(path, "an ONNX file, but not one that `salanet export` wrote")
        try:
            document = json.loads(document)
            self.config: dict[str, Any] = document["config"]
            self.metadata: dict[str, Any] = document["metadata"]
            self.classes: list[str] = list(self.config["classes"])
            self._names = features.normalise_names(self.config["features"])
            self._grid = float(self.config["grid"])
            self._radius = float(self.config["radius_cells"]) * self._grid
        except (ValueError, KeyError, TypeError) as error:
            raise FileError(path, f"its metadata is damaged ({error})") from error
        if not self.classes:
            raise ConfigError(
                "this model labels object parts; labelling scenes needs a scene model"
            )
        codes = self.metadata.get("codes")
        known = isinstance(codes, list) and len(codes) == len(self.classes)
        self.codes: list[int] = list(codes) if known else list(range(len(self.classes)))

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
        inputs = {"features": features}
        for s, level in enumerate(levels):
            inputs |= {f"{name}_{s}": array for name, array in level._asdict().items()}
        names = [node.name for node in self._session.get_inputs()]
        found: NDArray[np.float32] = self._session.run(None, {n: inputs[n] for n in names})[0]
        return found


def _open(path: Path, threads: int) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError("onnxruntime", "edge") from error
    if not path.is_file():
        raise FileError(path, "no such model file")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own classes derive from nothing narrower
        reason = " ".join(str(error).split())[:200]
        raise FileError(path, f"not a readable ONNX file ({reason})") from error
