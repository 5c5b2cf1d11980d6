"""ONNX Runtime beside PyTorch, on generated clouds."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from salanet.errors import MissingExtraError
from salanet.export.flat import flat_inputs
from salanet.models import Network, load
from salanet.ops import grid_subsample
from salanet.pyramid import Pyramid

VERIFIED_POINTS = 3000


class Agreement(NamedTuple):
    """How an exported file compares with its network.

    Attributes:
        difference: largest absolute difference of two logits.
        labels: share of the points that get the same class, over all outputs.
    """

    difference: float
    labels: float


def verify(
    model: Network, path: str | Path, cloud: tuple[Tensor, Pyramid] | None = None
) -> Agreement:
    """Run an exported file and the network it was made from on the same cloud.

    Args:
        model: in evaluation mode, on the CPU.
        path: what `export` or `save_float16` wrote.
        cloud: features and pyramid; None for a generated one.

    Raises:
        MissingExtraError: onnxruntime is not installed.
    """
    features, pyramid = cloud or sample_input(model, VERIFIED_POINTS, seed=1)
    run = _run_weights if Path(path).suffix.lower() == ".safetensors" else _run_graph
    pairs = list(zip(_run(model, features, pyramid), run(path, features, pyramid), strict=True))
    return Agreement(
        max(float(np.abs(ours - theirs).max()) for ours, theirs in pairs),
        float(np.mean([(a.argmax(1) == b.argmax(1)).mean() for a, b in pairs])),
    )


def _run(model: Network, features: Tensor, pyramid: Pyramid) -> list[NDArray[np.float32]]:
    with torch.inference_mode():
        logits = model(features, pyramid)
    return [one.numpy() for one in (logits if isinstance(logits, list) else [logits])]


def _run_weights(path: str | Path, features: Tensor, pyramid: Pyramid) -> list[NDArray[np.float32]]:
    return _run(load(path), features, pyramid)


def _run_graph(path: str | Path, features: Tensor, pyramid: Pyramid) -> list[NDArray[np.float32]]:
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError("onnxruntime", "export") from error
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    inputs = flat_inputs(features, pyramid)
    given = {node.name: inputs[node.name].numpy() for node in session.get_inputs()}
    found: list[NDArray[np.float32]] = session.run(None, given)
    return found


def sample_input(model: Network, points: int, seed: int = 0) -> tuple[Tensor, Pyramid]:
    """Random features on a random rolling surface: something of any network's grid.

    Returns:
        float32 (N, in_channels), N up to `points`, and the network's pyramid of N points.
    """
    config = model.config
    generator = torch.Generator().manual_seed(seed)
    side = config.grid * points**0.5
    xyz = side * torch.rand(points, 3, generator=generator)
    xyz[:, 2] = side / 8 * torch.sin(4 * xyz[:, 0] / side) * torch.cos(3 * xyz[:, 1] / side)
    xyz = grid_subsample(xyz, config.grid).points
    features = torch.rand(len(xyz), config.in_channels, generator=generator)
    return features, model.pyramid(xyz)
