"""Models run by ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from salanet import geometry
from salanet.engine.runner import require_scene_file
from salanet.errors import FileError, MissingExtraError
from salanet.model_file import KEY, described, identity_of
from salanet.sampling.boxes import BUFFER_RADII

if TYPE_CHECKING:
    from salanet.sampling.partition import PartitionOptions, Superpoints


class OnnxRunner:
    """A `Runner` of a `.onnx` file that `salanet export` wrote.

    Args:
        path: the file.
        threads: None for as many as `salanet.geometry.threads`.

    Raises:
        MissingExtraError: onnxruntime is not installed.
        FileError: the file is damaged or not one of ours.
        ConfigError: the model labels object parts.
    """

    buffer_radii = BUFFER_RADII
    pass_points: int | None = None
    partition: PartitionOptions | None = None
    overhead = 80 * 10**6

    def __init__(self, path: Path, threads: int | None = None) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingExtraError("onnxruntime", "edge") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or geometry.threads()
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's own classes derive from nothing narrower
            reason = " ".join(str(error).split())[:200]
            raise FileError(path, f"not a readable ONNX file ({reason})") from error
        text = self._session.get_modelmeta().custom_metadata_map.get(KEY)
        if text is None:
            raise FileError(path, "an ONNX file, but not one that `salanet export` wrote")
        self.path, self.identity = path, identity_of("onnx", path)
        self.config, self.card = described(path, text)
        require_scene_file(path, self.config)
        self._names = [node.name for node in self._session.get_inputs()]

    def levels(
        self, points: NDArray[np.float32], parts: Superpoints | None = None
    ) -> list[geometry.Level]:
        del parts
        config = self.config
        return geometry.pyramid(
            points, grid=config.grid, radius=config.radius, neighbours=config.neighbours
        )

    def logits(
        self, features: NDArray[np.float32], levels: list[geometry.Level]
    ) -> NDArray[np.float32]:
        inputs = {"features": features}
        for s, level in enumerate(levels):
            inputs |= {f"{name}_{s}": array for name, array in level._asdict().items()}
        given = {name: inputs[name] for name in self._names}
        found: NDArray[np.float32] = self._session.run(None, given)[0]
        return found
