"""What runs a model: native kernels, ONNX Runtime or PyTorch, behind one interface.

Votes, tiles, cells and files are made once, in `salanet.engine` and `salanet.labelling`, whichever
runner is behind.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from salanet.errors import ConfigError, FileError
from salanet.model_card import ModelCard
from salanet.model_config import ModelConfig
from salanet.sampling import features

if TYPE_CHECKING:
    from salanet.models import Network
    from salanet.sampling.partition import PartitionOptions, Superpoints

Array = NDArray[np.float32]
Precision = Literal["float32", "bf16"]  # of the products of a network
Levels = Any  # of one cloud, finest first: whatever the runner's own `logits` takes


@runtime_checkable
class Runner(Protocol):
    """A scene model, ready for inference.

    Attributes:
        config: its architecture.
        card: what else its file tells.
        path: its file; None for a network in memory.
        identity: tells it from other models, and from other ways to run it.
        buffer_radii: how far a tile sees beyond its core, in radii of the finest level.
        pass_points: most points of a pass, for a network whose time grows faster than they do.
        partition: how a network that sees clouds in parts wants them; None for all others.
        overhead: bytes of memory of the libraries that it needs beside NumPy and the kernels.
    """

    @property
    def config(self) -> ModelConfig: ...

    @property
    def card(self) -> ModelCard: ...

    @property
    def path(self) -> Path | None: ...

    @property
    def identity(self) -> str: ...

    @property
    def overhead(self) -> int: ...

    @property
    def buffer_radii(self) -> float: ...

    @property
    def pass_points(self) -> int | None: ...

    @property
    def partition(self) -> PartitionOptions | None: ...

    def levels(self, points: Array, parts: Superpoints | None = None) -> Levels:
        """The pyramid of points float32 (N, 3), one per cell of the model's grid, N >= 1.

        `parts` are those of the points, for a network that sees clouds so, where they are known.
        """

    def logits(self, features: Array, levels: Levels) -> Array:
        """Logits float32 (N, classes) from features float32 (N, in_channels)."""


Model: TypeAlias = "Runner | Network | str | Path"


def require_scenes(config: ModelConfig) -> list[str]:
    """The names of a scene model's features; ConfigError if it is none, or they do not fit it."""
    if not config.classes:
        raise ConfigError("this is a model of object parts; labelling scenes needs a scene model")
    names = features.normalise_names(config.features)
    if features.width(names) != config.in_channels:
        raise ConfigError(
            f"the model takes {config.in_channels} channels, but its features "
            f"({', '.join(names)}) have {features.width(names)}"
        )
    return names


def require_scene_file(path: Path, config: ModelConfig) -> None:
    """ConfigError for models of object parts, FileError if a file's features do not fit it."""
    try:
        require_scenes(config)
    except ConfigError as error:
        if not config.classes:
            raise
        raise FileError(path, f"its metadata is damaged ({error})") from error
