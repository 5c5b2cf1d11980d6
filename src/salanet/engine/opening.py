"""Which runner a model gets."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

import numpy as np

from salanet.engine.native_runner import NativeRunner
from salanet.engine.network import obstacle
from salanet.engine.onnx_runner import OnnxRunner
from salanet.engine.runner import Model, Precision, Runner, require_scene_file
from salanet.errors import ConfigError, FileError, MissingExtraError
from salanet.extensions import missing
from salanet.model_file import describe, locate
from salanet.remark import Remark
from salanet.sampling.features import CHANNELS, FEATURES

if TYPE_CHECKING:
    from salanet.models import Network


def as_runner(model: Model, device: str = "auto", precision: Precision = "float32") -> Runner:
    """What runs a model: a runner as it is, a network of PyTorch, or a file or name opened.

    Raises:
        FileError, ConfigError, MissingExtraError: see `open_runner`; or a precision is asked of
            what is open.
    """
    if isinstance(model, (str, Path)):
        return open_runner(model, device, precision=precision)
    if precision != "float32":
        raise ConfigError(f"precision {precision}: say so where the model is opened")
    if "torch" in sys.modules and isinstance(model, sys.modules["torch"].nn.Module):
        from salanet.models.runner import TorchRunner

        return TorchRunner(cast("Network", model))
    if not hasattr(model, "logits"):
        raise ConfigError(f"{model!r} is no model: give a file, or a name of `salanet models`")
    return cast(Runner, model)


def open_runner(
    model: str | Path,
    device: str = "auto",
    threads: int | None = None,
    *,
    precision: Precision = "float32",
) -> Runner:
    """Open a model file, or a model that comes with the package by its name.

    A `.onnx` file runs by ONNX Runtime; a `.safetensors` file by the native kernels where its
    operator has them, else by PyTorch, which another device than the processor needs as well.

    Args:
        model: the file, or the name.
        device: auto, cpu, or what PyTorch calls a device, such as cuda.
        threads: of ONNX Runtime; None for as many as `salanet.geometry.threads`.
        precision: float32; or bf16, the products of the native executor in bfloat16 (sums and all
            else in float32), where the processor has them, as those of Intel's servers with AMX
            under Linux. Elsewhere float32 takes their place: see `NativeRunner.precision`.

    Raises:
        FileError: the file is absent, damaged or not one of ours.
        ConfigError: there is no such model, device or precision; or the model labels object parts;
            or bf16 is asked of ONNX Runtime, PyTorch, or an operator that runs in NumPy.
        MissingExtraError: ONNX Runtime or PyTorch is needed and not installed.
    """
    if precision not in get_args(Precision):
        raise ConfigError(f"precision {precision}: choose {' or '.join(get_args(Precision))}")
    path = locate(model)
    if not path.is_file():
        raise FileError(path, "no such model file")
    if path.suffix.lower() == ".onnx":
        require_float32(precision, "ONNX Runtime")
        return tried(OnnxRunner(path, threads), path)
    entry = describe(path)
    for name in entry.config.features:
        if name not in CHANNELS and name not in FEATURES:
            text = missing(FEATURES.kind, name, entry.card.origins)
            raise FileError(path, text).about("import")
    require_scene_file(path, entry.config)
    why = obstacle(entry.config) if device in ("auto", "cpu") else f"for the device '{device}'"
    if not why:
        return tried(NativeRunner(entry, precision), path)
    require_float32(precision, "PyTorch")
    if find_spec("torch") is None:
        raise MissingExtraError("torch", "train", why)
    from salanet.models.runner import TorchRunner

    return tried(TorchRunner.open(path, device), path)


def require_float32(precision: Precision, runs: str) -> None:
    """ConfigError if another precision is asked of what runs a model in this one alone."""
    if precision != "float32":
        raise ConfigError(f"precision {precision}: this model is run by {runs}, in float32 alone")


def remarks_on(runner: Runner) -> list[str]:
    """A remark if a model is not run in the precision that was asked for."""
    if not isinstance(runner, NativeRunner) or runner.precision == runner.asked:
        return []
    text = f"computed in {runner.precision}: this processor has no products in {runner.asked}"
    return [Remark(text)]


def tried(runner: Runner, path: Path) -> Runner:
    """One point through the network: weights that do not fit show now, not in the middle."""
    classes = len(runner.config.classes)
    try:
        points = np.zeros((1, 3), np.float32)
        seen = np.zeros((1, runner.config.in_channels), np.float32)
        shape: tuple[int, ...] = runner.logits(seen, runner.levels(points)).shape
    except Exception as error:  # onnxruntime's own classes derive from nothing narrower
        reason = " ".join(str(error).split())[:200]
        raise FileError(path, f"its weights do not fit its architecture ({reason})") from error
    if shape != (1, classes):
        raise FileError(path, f"has {shape[-1]} outputs for {classes} classes")
    return runner
