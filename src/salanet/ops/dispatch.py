"""Which implementation of an operation runs: plain PyTorch, the native kernels, or Triton."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, get_args

import torch

from salanet.errors import ConfigError

Backend = Literal["reference", "native", "triton"]

_override: Backend | None = None  # a plain global: torch.compile can trace and guard it


@contextmanager
def backend(name: Backend) -> Iterator[None]:
    """Make every operation inside the ``with`` block use one implementation.

    Raises:
        ConfigError: if the name is none of "reference", "native", "triton".
    """
    if name not in get_args(Backend):
        raise ConfigError(f"unknown backend '{name}': choose one of {', '.join(get_args(Backend))}")
    global _override
    previous, _override = _override, name
    try:
        yield
    finally:
        _override = previous


def current_backend(device: torch.device) -> Backend:
    """The implementation for tensors on ``device``: the override, else native on a CPU, Triton on
    CUDA and the reference anywhere else."""
    if _override is not None:
        return _override
    by_device: dict[str, Backend] = {"cpu": "native", "cuda": "triton"}
    return by_device.get(device.type, "reference")


def threads() -> int:
    """How many threads the native kernels use: as many as PyTorch."""
    return torch.get_num_threads()
