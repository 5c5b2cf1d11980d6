"""Models run by PyTorch: operators without native kernels, GPUs, and networks in training."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from salanet.errors import ConfigError
from salanet.model_card import ModelCard
from salanet.model_file import identity_of
from salanet.models.files import load
from salanet.models.network import Network, Partitioned, pyramid_of
from salanet.pyramid import Pyramid
from salanet.sampling.partition import PartitionOptions, Superpoints


class TorchRunner:
    """A `salanet.engine.Runner` of a network; its training mode is restored after each pass."""

    overhead = 180 * 10**6

    def __init__(self, network: Network, path: Path | None = None) -> None:
        self.network, self.path = network, path
        self.config, self.card = network.config, ModelCard.of(network.metadata)
        self._identity = None if path is None else identity_of("torch", path)

    @classmethod
    def open(cls, path: Path, device: str) -> TorchRunner:
        """A model file, its batch norms folded.

        Raises:
            FileError: the file is no readable model.
            ConfigError: there is no such device.
        """
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        network = load(path)
        try:
            return cls(network.fold().to(torch.device(device)), path)
        except (RuntimeError, AssertionError) as error:
            raise ConfigError(f"device '{device}': {str(error).splitlines()[0]}") from error

    @property
    def identity(self) -> str:
        if self._identity is not None:
            return self._identity
        found = blake2b(self.config.model_dump_json().encode())
        found.update(json.dumps(self.network.metadata, sort_keys=True, default=str).encode())
        for name, tensor in self.network.state_dict().items():
            found.update(name.encode())
            found.update(tensor.detach().cpu().contiguous().numpy())
        return found.hexdigest()

    @property
    def buffer_radii(self) -> float:
        return self.network.buffer_radii

    @property
    def pass_points(self) -> int | None:
        return self.network.pass_points

    @property
    def partition(self) -> PartitionOptions | None:
        return self.network.partition if isinstance(self.network, Partitioned) else None

    def levels(self, points: NDArray[np.float32], parts: Superpoints | None = None) -> Pyramid:
        return pyramid_of(self.network, torch.from_numpy(points), None, parts)

    def logits(self, features: NDArray[np.float32], levels: Pyramid) -> NDArray[np.float32]:
        device = next(self.network.parameters()).device
        with evaluating(self.network), torch.inference_mode():
            found = self.network(torch.from_numpy(features).to(device), levels.to(device))
            assert isinstance(found, torch.Tensor)  # of scenes, not a list for object parts
            return found.float().cpu().numpy()


@contextmanager
def evaluating(model: Network) -> Iterator[None]:
    """Evaluation mode inside the block, the former mode after it."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)
