"""The weights of a model file, as the native network takes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
EPSILON = 1e-5  # of the batch norms
COUNTER = "num_batches_tracked"  # of training; no weight


class Weights:
    """The tensors under a prefix, as contiguous float32 arrays.

    Kernels trust shapes, and NumPy would spread what is 1: ask with `shaped` wherever another
    tensor does not settle them.
    """

    def __init__(
        self, tensors: Mapping[str, NDArray[Any]], prefix: str = "", used: set[str] | None = None
    ) -> None:
        self._tensors, self._prefix = tensors, prefix
        self._used: set[str] = set() if used is None else used

    def under(self, name: str) -> Weights:
        return Weights(self._tensors, f"{self._prefix}{name}.", self._used)

    def __getitem__(self, name: str) -> Array:
        tensor = self._tensors[self._prefix + name]
        if tensor.dtype.kind != "f":
            raise ValueError(f"{self._prefix}{name} is of the type {tensor.dtype}")
        self._used.add(self._prefix + name)
        return np.ascontiguousarray(tensor, np.float32)

    def __contains__(self, name: str) -> bool:
        return self._prefix + name in self._tensors

    def shaped(self, name: str, *shape: int) -> Array:
        """The tensor; ValueError unless it has this shape."""
        tensor = self[name]
        if tensor.shape != shape:
            raise ValueError(f"{self._prefix}{name} has the shape {tensor.shape}, not {shape}")
        return tensor

    def norm(self, channels: int) -> tuple[Array, Array]:
        """The batch norm here as a·x + b."""
        under = self.under("norm")
        names = ("weight", "bias", "running_mean", "running_var")
        weight, bias, mean, variance = (under.shaped(name, channels) for name in names)
        scale = weight / np.sqrt(variance + np.float32(EPSILON))
        return scale, bias - mean * scale

    def require_all_used(self) -> None:
        """ValueError if the file has tensors that nobody asked for: it is another network's."""
        for name in sorted(self._tensors.keys() - self._used):
            if not name.endswith(COUNTER):
                raise ValueError(f"it has a tensor {name}, which the network has not")
