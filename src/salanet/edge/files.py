"""Model files without PyTorch: what runs them, and the JSON document they carry."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import salanet
from salanet.edge.network import SalaNetwork
from salanet.errors import ConfigError, FileError, MissingExtraError
from salanet.geometry import Level
from salanet.io.model_header import KEY, parse

# The models that come with the package; see `salanet.models.zoo`, which needs PyTorch.
SHIPPED = Path(salanet.__file__).parent / "weights"

# Features (N, C) and the levels of one cloud -> logits (N, classes).
Runner = Callable[[NDArray[np.float32], list[Level]], NDArray[np.float32]]


class ModelFile(NamedTuple):
    """A model that is ready to run: its architecture, its metadata, its network."""

    config: dict[str, Any]
    metadata: dict[str, Any]
    run: Runner


def find(model: str | Path) -> Path:
    """The file of a model: as given, or of one that comes with the package, by its name.

    Raises:
        ConfigError: it is no file, and no model of that name comes with the package.
    """
    path = Path(model)
    if path.name != str(model) or path.suffix or path.is_file():
        return path
    shipped = {file.stem: file for file in sorted(SHIPPED.glob("*.safetensors"))}
    if path.name not in shipped:
        raise ConfigError(f"there is no model '{model}'; there are {', '.join(shipped)}")
    return shipped[path.name]


def load(path: Path, threads: int) -> ModelFile:
    """Open a `.onnx` file by ONNX Runtime, any other as `.safetensors` by the native kernels.

    Raises:
        MissingExtraError: onnxruntime is not installed.
        FileError: the file is absent, damaged or not one of ours.
        ConfigError: the model labels object parts; or the native kernels do not run it.
    """
    if not path.is_file():
        raise FileError(path, "no such model file")
    return _graph(path, threads) if path.suffix.lower() == ".onnx" else _weights(path, threads)


def _weights(path: Path, threads: int) -> ModelFile:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            text = (file.metadata() or {}).get(KEY)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise FileError(path, f"not a readable safetensors file ({error})") from error
    except TypeError as error:  # bfloat16, float8
        raise FileError(path, f"its tensors need PyTorch to be read ({error})") from error
    config, metadata = _document(path, text, "a safetensors file, but not a SalaNet model")
    try:
        return ModelFile(config, metadata, SalaNetwork(tensors, config, threads))
    except (LookupError, ValueError, TypeError, AttributeError, ArithmeticError) as error:
        raise FileError(path, f"its weights do not fit its architecture ({error})") from error


def _graph(path: Path, threads: int) -> ModelFile:
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError("onnxruntime", "edge") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    try:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime's own classes derive from nothing narrower
        reason = " ".join(str(error).split())[:200]
        raise FileError(path, f"not a readable ONNX file ({reason})") from error
    text = session.get_modelmeta().custom_metadata_map.get(KEY)
    other = "an ONNX file, but not one that `salanet export` wrote"
    config, metadata = _document(path, text, other)
    names = [node.name for node in session.get_inputs()]

    def run(features: NDArray[np.float32], levels: list[Level]) -> NDArray[np.float32]:
        inputs = {"features": features}
        for s, level in enumerate(levels):
            inputs |= {f"{name}_{s}": array for name, array in level._asdict().items()}
        found: NDArray[np.float32] = session.run(None, {n: inputs[n] for n in names})[0]
        return found

    return ModelFile(config, metadata, run)


def _document(path: Path, text: str | None, other: str) -> tuple[dict[str, Any], dict[str, Any]]:
    if text is None:
        raise FileError(path, other)
    try:
        config, metadata = parse(text)
        scenes = bool(config["classes"])
    except (ValueError, KeyError) as error:
        raise FileError(path, f"its metadata is damaged ({error})") from error
    if not scenes:
        raise ConfigError("this model labels object parts; labelling scenes needs a scene model")
    return config, metadata
