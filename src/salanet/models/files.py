"""One safetensors file per model: the weights, and as JSON metadata all that is needed to use them.

Loading executes nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch.nn.modules.module import register_module_parameter_registration_hook

from salanet import model_file
from salanet.errors import ConfigError, FileError
from salanet.extensions import Registry, missing
from salanet.io.atomic import atomic_path
from salanet.model_card import document
from salanet.model_config import ModelConfig
from salanet.model_file import KEY, current, locate, misfit
from salanet.models.network import Network
from salanet.models.networks import NETWORKS, create_network
from salanet.operators import OPERATORS
from salanet.sampling.features import CHANNELS, FEATURES

ORIGINS = "origins"  # in the metadata


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
    given = {k: v for k, v in model.metadata.items() if k != ORIGINS} | (metadata or {})
    own = origins(model.config)
    return model_file.header(model.config, given | ({ORIGINS: own} if own else {}))


def origins(config: ModelConfig) -> dict[str, str]:
    """The module of each thing that a network needs beside the package, by name."""
    named = _things(config)
    found = {name: registry.origin(name) for registry, name in named if name in registry}
    return {name: module for name, module in found.items() if module}


def _things(config: ModelConfig) -> list[tuple[Registry[Any], str]]:
    """What a network is built of, and where that is entered; features of ours left out."""
    own = [name for name in config.features if name not in CHANNELS]
    found: list[tuple[Registry[Any], str]] = [(NETWORKS, config.network)]
    if config.network == "salanet":
        found.append((OPERATORS, config.operator))
    return [*found, *((FEATURES, name) for name in own)]


def load(model: str | Path) -> Network:
    """Read a model from a `.safetensors` file, or one that comes with the package by its name.

    Returns it on the CPU, in evaluation mode. A file of that name is preferred.

    Raises:
        FileError: the file is absent, damaged, not one of ours, or from an incompatible version.
        ConfigError: it is no file, and no model of that name comes with the package.
        MemoryError or RuntimeError: there is too little memory for the tensors in the file.
    """
    path = locate(model)
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
    with _told(path):
        architecture, metadata = document(text)
        config = ModelConfig(**current(architecture, tensors))
    for registry, name in _things(config):
        if name not in registry:
            text = missing(registry.kind, name, metadata.get(ORIGINS))
            raise FileError(path, text).about("import")
    outline(path, config, {name: tensor.shape for name, tensor in tensors.items()})
    network = create_network(config, metadata)  # of the size of the file's tensors
    with torch.no_grad(), _told(path):
        for name, tensor in network.state_dict().items():
            if tensors[name].is_floating_point() != tensor.is_floating_point():
                raise ValueError(f"{name} is of the type {tensors[name].dtype}")
            tensor.copy_(tensors[name])
    return network.eval()


def outline(path: Path, config: ModelConfig, shapes: Mapping[str, Sequence[int]]) -> Network:
    """The network without memory for its numbers; FileError unless the file has its tensors.

    Args:
        path: the file, for the error.
        config: what it says of the network.
        shapes: of its tensors.
    """
    with _told(path):
        with torch.device("meta"), _at_most(len(shapes)):
            network = create_network(config)
        expected = {name: tuple(t.shape) for name, t in network.state_dict().items()}
        found = {name: tuple(shape) for name, shape in shapes.items()}
        for name in sorted(expected.keys() | found.keys()):
            if name not in found:
                raise ValueError(f"it has no tensor {name}")
            if name not in expected:
                raise ValueError(f"it has a tensor {name}, which the network has not")
            if found[name] != expected[name]:
                raise ValueError(f"{name} has the shape {found[name]}, not {expected[name]}")
        return network


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Errors of a document or network that cannot be, as one FileError."""
    kinds = (ConfigError, ValidationError, RuntimeError, LookupError, ArithmeticError)
    try:
        yield
    except (*kinds, TypeError, ValueError) as error:
        raise FileError(path, misfit(error)) from error


@contextmanager
def _at_most(count: int) -> Iterator[None]:
    """Gives up a network made here that has more parameters than a file has tensors."""
    thread, made = threading.get_ident(), 0

    def count_one(*_: object) -> None:
        nonlocal made
        made += threading.get_ident() == thread
        if made > count:
            raise ValueError(f"the network has more tensors than the file, which has {count}")

    hook = register_module_parameter_registration_hook(count_one)
    try:
        yield
    finally:
        hook.remove()
