"""From a network to an ONNX file, by way of `torch.export`."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.export import Dim, ExportedProgram

from salanet import ops
from salanet.errors import ConfigError, MissingExtraError
from salanet.export.flat import FlatNetwork, flat_inputs, input_names
from salanet.export.verify import sample_input
from salanet.io import atomic_path
from salanet.models import Network
from salanet.models.files import KEY, header

if TYPE_CHECKING:
    import onnx_ir as ir

OPSET = 20
# Points of the cloud a network is traced with; any other number works afterwards.
TRACED_POINTS = 4000


def export(model: Network, path: str | Path) -> None:
    """Write a network as one ONNX file, atomically.

    Inputs and outputs are those of `FlatNetwork`, by name; the number of points of every level is
    free. The graph keeps the factored algebra: products per support, then gathers, then sums or
    maxima; unlike the fused kernels it does hold (M, K, C) tensors while it runs. The JSON document
    of the safetensors file stands in the metadata, under the same key.

    Args:
        model: left as it is.
        path: where to.

    Raises:
        ConfigError: the network or its operator cannot be exported.
        MissingExtraError: onnx or onnxscript is not installed.
        FileError: the file cannot be written.
    """
    flat = FlatNetwork(model)
    _require("onnx", "onnxscript")
    program = _trace(flat, model)
    with _quiet():
        try:
            result = torch.onnx.export(
                program,
                dynamic_shapes=_dynamic(flat_inputs(*sample_input(model, 8))),
                input_names=input_names(len(model.config.neighbours)),
                output_names=flat.outputs,
                opset_version=OPSET,
                dynamo=True,
                optimize=True,
                verbose=False,
            )
        except torch.onnx.errors.OnnxExporterError as error:
            raise _impossible(model, error) from error
    assert result is not None
    _strip(result.model)
    result.model.metadata_props[KEY] = header(model)
    with atomic_path(path) as temporary:
        result.save(temporary, external_data=False)


def trace(model: Network) -> ExportedProgram:
    """The network as a `torch.export` program over the inputs of `FlatNetwork`.

    Raises:
        ConfigError: the network or its operator cannot be exported.
    """
    return _trace(FlatNetwork(model), model)


def _trace(flat: FlatNetwork, model: Network) -> ExportedProgram:
    inputs = flat_inputs(*sample_input(model, TRACED_POINTS))
    with ops.backend("reference"), torch.no_grad(), _quiet():
        try:
            return torch.export.export(
                flat.eval(),
                tuple(inputs.values()),
                dynamic_shapes=_dynamic(inputs),
                strict=True,  # len() of a tensor stays symbolic
            )
        except (RuntimeError, torch._dynamo.exc.TorchDynamoException) as error:
            raise _impossible(model, error) from error


def _strip(model: ir.Model) -> None:
    """Leave out where each node came from in the source, nearly as large as the weights."""
    for node in model.graph:
        node.metadata_props.clear()
        for value in node.outputs:
            value.metadata_props.clear()


def _dynamic(inputs: dict[str, Tensor]) -> tuple[object, ...]:
    """Rows are free, and the same for all inputs of one level; columns are the model's."""
    levels = [Dim(f"n{name[-1]}") for name in inputs if name.startswith("points")]
    rows = [
        levels[0] if name == "features" else levels[int(name[-1]) + name.startswith("pool")]
        for name in inputs
    ]
    return {0: rows[0]}, tuple({0: dim} for dim in rows[1:])


def _impossible(model: Network, error: Exception) -> ConfigError:
    reason = " ".join(str(error).split())[:300]
    return ConfigError(f"the operator '{model.config.operator}' cannot be exported: {reason}")


def _require(*packages: str) -> None:
    for package in packages:
        try:
            __import__(package)
        except ImportError as error:
            raise MissingExtraError(package, "export") from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter speaks of its own affairs on stdout, in warnings and in logs."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
