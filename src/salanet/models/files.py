"""One safetensors file per model: the weights, and as JSON metadata all that is needed to use them.

Loading executes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from salanet import __version__
from salanet.errors import ConfigError, FileError
from salanet.io.atomic import atomic_path
from salanet.models.config import ModelConfig
from salanet.models.network import Network
from salanet.models.networks import create_network

# The key of our JSON document among the file's metadata.
KEY = "salanet"


def save(model: Network, path: str | Path, metadata: dict[str, object] | None = None) -> None:
    """Write a model's weights, architecture and metadata to one `.safetensors` file, atomically.

    Args:
        model: a model whose batch norms have not been folded.
        path: where to.
        metadata: JSON-able entries added to `model.metadata`.

    Raises:
        FileError: the file cannot be written.
    """
    tensors = {name: tensor.contiguous().cpu() for name, tensor in model.state_dict().items()}
    with atomic_path(path) as temporary:
        # save_file would make files that nobody else may read, and has its own kind of disk error.
        temporary.write_bytes(to_bytes(tensors, metadata={KEY: header(model, metadata)}))


def header(model: Network, metadata: dict[str, object] | None = None) -> str:
    """The JSON document a model file carries: version, architecture, metadata."""
    document = {
        "version": __version__,
        "config": model.config.model_dump(mode="json"),
        "metadata": model.metadata | (metadata or {}),
    }
    return json.dumps(document)


def load(path: str | Path) -> Network:
    """Read a model written by `save`, on the CPU, in evaluation mode.

    Raises:
        FileError: the file is absent, damaged, not one of ours, or from an incompatible version.
    """
    path = Path(path)
    if not path.is_file():
        raise FileError(path, "no such model file")
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(KEY)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise FileError(path, f"not a readable safetensors file ({error})") from error
    if text is None:
        raise FileError(path, "a safetensors file, but not a SalaNet model")
    try:
        document = json.loads(text)
        config = ModelConfig(**_current(document["config"], tensors))
        with torch.device("meta"):  # takes no memory, whatever sizes the file claims
            expected = create_network(config).state_dict()
        for name in [name for name in expected if name in tensors]:
            if expected[name].shape != tensors[name].shape:
                raise ValueError(f"{name} has the shape {tuple(tensors[name].shape)}")
        model = create_network(config, document["metadata"])
        with torch.no_grad():
            model.load_state_dict(tensors)
    except (ConfigError, ValidationError, RuntimeError, KeyError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise FileError(
            path, f"the model does not fit this version of SalaNet: {reason}"
        ) from error
    return model.eval()


def _current(config: dict[str, Any], tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """The architecture as this version writes it: SALA's perceptrons once had no batch norms."""
    if config.get("operator", "sala") != "sala" or "encoder.first.lift.bias" not in tensors:
        return config
    return config | {
        "operator_options": {"perceptrons": "linear"} | config.get("operator_options", {})
    }
