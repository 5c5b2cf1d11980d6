"""Smaller files: float16 weights, and int8 weights and products."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors.torch import save as to_bytes
from torch import Tensor

from salanet.errors import ConfigError, MissingExtraError
from salanet.export.flat import flat_inputs
from salanet.io import atomic_path
from salanet.model_file import KEY
from salanet.models import Network
from salanet.models.files import header
from salanet.pyramid import Pyramid

if TYPE_CHECKING:
    import onnx

# Smaller matrices weigh nothing, and those of the relative positions bear no rounding.
SMALLEST = 512


def save_float16(
    model: Network, path: str | Path, metadata: dict[str, object] | None = None
) -> None:
    """Write a model as `salanet.save` does, its matrices as float16: half the size.

    It loads like any other, into float32; only the rounding stays.

    Args:
        model, path, metadata: as for `salanet.save`.

    Raises:
        FileError: the file cannot be written.
        ConfigError: a weight is beyond what float16 can hold.
    """
    tensors = {
        name: (_half(name, tensor) if tensor.dim() > 1 else tensor).contiguous().cpu()
        for name, tensor in model.state_dict().items()
    }
    document = header(model, {"precision": "float16"} | (metadata or {}))
    with atomic_path(path) as temporary:
        temporary.write_bytes(to_bytes(tensors, metadata={KEY: document}))


def halve(model: onnx.ModelProto) -> None:
    """Store the matrices as float16, in place; they are widened once, when the file is opened.

    Half the size; all arithmetic stays float32.
    """
    from onnx import TensorProto, helper, numpy_helper

    widening = []
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or _size(tensor) < SMALLEST:
            continue
        name = tensor.name
        _require_range(name, np.abs(numpy_helper.to_array(tensor)).max())
        half = numpy_helper.to_array(tensor).astype(np.float16)
        tensor.CopyFrom(numpy_helper.from_array(half, f"{name}.float16"))
        widening.append(helper.make_node("Cast", [tensor.name], [name], to=TensorProto.FLOAT))
    nodes = [*widening, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def quantise(model: onnx.ModelProto, clouds: Iterable[tuple[Tensor, Pyramid]]) -> onnx.ModelProto:
    """int8 products of the layers that hold nearly all weights; the rest stays float32.

    Static: scales of the activations are their extremes on `clouds`, those of the weights one for
    each output channel.

    Args:
        model: float32, as `salanet.export.export` writes it.
        clouds: features and pyramids like those to come; at least one.

    Raises:
        ConfigError: no cloud.
        MissingExtraError: onnxruntime is not installed.
    """
    try:
        from onnxruntime import quantization
    except ImportError as error:
        raise MissingExtraError("onnxruntime", "export") from error
    import onnx

    reader = _Reader(clouds, {node.name for node in model.graph.input})
    reader.require_any()
    weights = {t.name for t in model.graph.initializer if _size(t) >= SMALLEST}
    chosen = []
    for i, node in enumerate(model.graph.node):
        node.name = node.name or f"{node.op_type}_{i}"
        if node.op_type in ("Gemm", "MatMul") and node.input[1] in weights:
            chosen.append(node.name)
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)  # advice about shapes that are meant to be free
    try:
        with tempfile.TemporaryDirectory() as folder:
            source, target = Path(folder) / "float32.onnx", Path(folder) / "int8.onnx"
            onnx.save(model, source)
            quantization.quantize_static(
                source,
                target,
                reader,
                op_types_to_quantize=["Gemm", "MatMul"],
                nodes_to_quantize=chosen,
                per_channel=True,
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
            )
            quantised = onnx.load(target)
    finally:
        logging.disable(level)
    del quantised.graph.value_info[:]  # shapes in between, again
    return quantised


class _Reader:
    """The clouds as the quantiser asks for them: one dictionary of inputs, and None at the end."""

    def __init__(self, clouds: Iterable[tuple[Tensor, Pyramid]], names: set[str]) -> None:
        self._inputs = self._read(clouds, names)
        self._next: dict[str, np.ndarray] | None = None

    def require_any(self) -> None:
        self._next = next(self._inputs, None)
        if self._next is None:
            raise ConfigError("int8 needs scenes to calibrate with, like those to be labelled")

    def get_next(self) -> dict[str, np.ndarray] | None:
        found, self._next = self._next, None
        return found if found is not None else next(self._inputs, None)

    def _read(
        self, clouds: Iterable[tuple[Tensor, Pyramid]], names: set[str]
    ) -> Iterator[dict[str, np.ndarray]]:
        for features, pyramid in clouds:
            inputs = flat_inputs(features, pyramid)
            yield {name: value.numpy() for name, value in inputs.items() if name in names}


def _half(name: str, tensor: Tensor) -> Tensor:
    _require_range(name, float(tensor.abs().max()))
    return tensor.half()


def _require_range(name: str, largest: float) -> None:
    limit = float(np.finfo(np.float16).max)
    if not largest <= limit:
        raise ConfigError(f"{name} reaches {largest:g}, and float16 {limit:g}: keep float32")


def _size(tensor: onnx.TensorProto) -> int:
    return int(np.prod(tensor.dims)) if len(tensor.dims) > 1 else 0
