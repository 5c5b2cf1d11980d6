"""From a network to an ONNX file, by way of `torch.export`."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.onnx import ONNXProgram

from salanet import ops
from salanet.errors import ConfigError, MissingExtraError
from salanet.export.flat import FlatNetwork, flat_inputs
from salanet.export.smaller import halve, quantise
from salanet.export.verify import sample_input
from salanet.io import atomic_path
from salanet.model_file import KEY
from salanet.models import Network
from salanet.models.files import header
from salanet.pyramid import Pyramid

if TYPE_CHECKING:
    import onnx_ir as ir

Precision = Literal["float32", "float16", "int8"]

PACKAGES = ("onnx", "onnxscript", "onnxruntime")
OPSET = 20
# Points of the cloud a network is traced with; any other number works afterwards.
TRACED_POINTS = 4000


def export(
    model: Network,
    path: str | Path,
    *,
    precision: Precision = "float32",
    calibration: Iterable[tuple[Tensor, Pyramid]] = (),
) -> None:
    """Write a network as one ONNX file, atomically.

    Inputs and outputs are those of `FlatNetwork`, by name; the number of points of every level is
    free. The graph keeps the factored algebra: products per support, then gathers, then sums or
    maxima; unlike the fused kernels it does hold (M, K, C) tensors while it runs. The JSON document
    of the safetensors file stands in the metadata, under the same key.

    Args:
        model: left as it is.
        path: where to.
        precision: "float32"; "float16" stores the matrices in half the bytes and computes in
            float32; "int8" stores and multiplies them as integers.
        calibration: for "int8", features and pyramids of clouds like those to come.

    Raises:
        ConfigError: the network or its operator cannot be exported, or int8 lacks calibration.
        MissingExtraError: onnx, onnxscript or onnxruntime is not installed.
        FileError: the file cannot be written.
    """
    flat = FlatNetwork(model)
    require_packages("onnx", "onnxscript")
    inputs = flat_inputs(*sample_input(model, TRACED_POINTS))
    converted = convert(flat, inputs, _rows(inputs), flat.outputs, model.config.operator)
    converted.model.metadata_props[KEY] = header(model, {"precision": precision})
    graph = converted.model_proto
    if precision == "float16":
        halve(graph)
    elif precision == "int8":
        graph = quantise(graph, calibration)
    with atomic_path(path) as temporary:
        temporary.write_bytes(graph.SerializeToString())


def require_packages(*packages: str) -> None:
    """Raise MissingExtraError unless these are installed; by default all that exporting, and
    checking what was exported, takes."""
    for package in packages or PACKAGES:
        try:
            import_module(package)
        except ImportError as error:
            raise MissingExtraError(package, "export") from error


def trace(model: Network) -> ExportedProgram:
    """The network as a `torch.export` program over the inputs of `FlatNetwork`.

    Raises:
        ConfigError: the network or its operator cannot be exported.
    """
    inputs = flat_inputs(*sample_input(model, TRACED_POINTS))
    return trace_module(FlatNetwork(model), inputs, _rows(inputs), model.config.operator)


def convert(
    module: nn.Module, inputs: dict[str, Tensor], rows: list[str], outputs: list[str], name: str
) -> ONNXProgram:
    """Any module over point tensors as ONNX; arguments as for `trace_module`."""
    program = trace_module(module, inputs, rows, name)
    with _quiet(), _explained(name):
        converted = torch.onnx.export(
            program,
            dynamic_shapes=_dynamic(module, rows),
            input_names=list(inputs),
            output_names=outputs,
            opset_version=OPSET,
            dynamo=True,
            optimize=True,
            verbose=False,
        )
    assert converted is not None
    _tidy(converted.model)
    return converted


def trace_module(
    module: nn.Module, inputs: dict[str, Tensor], rows: list[str], name: str
) -> ExportedProgram:
    """Trace a module with the plain PyTorch operations.

    Args:
        module: in evaluation mode.
        inputs: an example of each argument, in order.
        rows: what to call the number of rows of each; equal names are equal numbers.
        name: of the operator, for errors.
    """
    with ops.backend("reference"), torch.no_grad(), _quiet(), _explained(name):
        return torch.export.export(
            module.eval(),
            tuple(inputs.values()),
            dynamic_shapes=_dynamic(module, rows),
            strict=True,  # len() of a tensor stays symbolic
        )


def _tidy(model: ir.Model) -> None:
    """Compute what is constant, such as the parts of a weight, and leave out what only explains.

    Where each node came from in the source, and the shapes in between, weigh nearly as much as
    the weights; the latter would also contradict what quantisation inserts.
    """
    from onnxscript import optimizer

    weights = (value.const_value for value in model.graph.initializers.values())
    largest = max(weight.nbytes for weight in weights if weight is not None)
    optimizer.optimize_ir(model, input_size_limit=largest, output_size_limit=largest)
    for node in model.graph:
        node.metadata_props.clear()
        for value in node.outputs:
            value.metadata_props.clear()
            if not value.is_graph_output():
                value.type = value.shape = None


def _rows(inputs: dict[str, Tensor]) -> list[str]:
    """The number of rows: that of the level, of the next one for pooling."""
    levels = [name.rpartition("_")[::2] for name in inputs if name != "features"]
    return ["points_0", *(f"points_{int(s) + (name == 'pool')}" for name, s in levels)]


def _dynamic(module: nn.Module, rows: list[str]) -> tuple[object, ...]:
    dims = {name: Dim(name) for name in rows}
    shapes = [{0: dims[name]} for name in rows]
    return (shapes[0], tuple(shapes[1:])) if isinstance(module, FlatNetwork) else tuple(shapes)


@contextlib.contextmanager
def _explained(name: str) -> Iterator[None]:
    try:
        yield
    except (RuntimeError, torch._dynamo.exc.UserError, torch._dynamo.exc.Unsupported) as error:
        reason = " ".join(str(error).split())[:300]
        raise ConfigError(f"the operator '{name}' cannot be exported: {reason}") from error


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
