"""Models run by the native executor, or by NumPy and the fused kernels."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import salanet._engine as executor
from salanet import geometry
from salanet.engine.network import SalaNetwork
from salanet.engine.runner import Precision
from salanet.errors import ConfigError, DataError, FileError
from salanet.model_config import ModelConfig
from salanet.model_file import Entry, identity_of
from salanet.sampling.boxes import BUFFER_RADII

if TYPE_CHECKING:
    from salanet.sampling.partition import PartitionOptions, Superpoints


# Operators that the executor runs; options of theirs that it knows at one value alone.
EXECUTED = (
    "sala",
    "pointwise_mlp",
    "pospool",
    "adaptive_weight",
    "pseudo_grid",
    "kpconv",
)


UNEXECUTED: dict[str, Callable[[Any], bool]] = {
    "influence": lambda value: value != "linear",
    "closest": bool,
    "reduction": lambda value: value == "half",
}


def executed(config: ModelConfig) -> bool:
    """Whether the executor runs such a network, or NumPy must join the kernels."""
    options = config.operator_options.items()
    return config.operator in EXECUTED and not any(
        UNEXECUTED[name](value) for name, value in options if name in UNEXECUTED
    )


class NativeRunner:
    """A `Runner` of a `.safetensors` file whose operator has native kernels.

    One may be used by several Python threads. The kernels use as many threads as
    `salanet.geometry.threads`. Operators that the executor lacks run in NumPy, whose matrix
    products have threads of their own (OMP_NUM_THREADS, before NumPy is imported).

    Attributes:
        precision: of its products; float32 where bf16 is asked of a processor without them.
        asked: the precision that was asked for.

    Raises:
        ConfigError: bf16 of an operator that runs in NumPy.
        FileError: the file cannot be read, or its tensors are not those of its architecture.
    """

    buffer_radii = BUFFER_RADII
    pass_points: int | None = None
    partition: PartitionOptions | None = None
    overhead = 0

    def __init__(self, entry: Entry, precision: Precision = "float32") -> None:
        if precision == "bf16" and not executed(entry.config):
            raise ConfigError(
                f"precision bf16: the operator {entry.config.operator} runs in float32 alone"
            )
        self.asked = self.precision = precision
        if precision == "bf16" and not executor.has_bf16():
            self.precision = "float32"
        self.path, self.config, self.card = entry.path, entry.config, entry.card
        self._model: Any = None
        try:
            if executed(entry.config):
                self._model = executor.Model(self.path.read_bytes())
            else:
                self._network = SalaNetwork(_tensors(entry), self.config)
            kind = "native" if self.precision == "float32" else f"native-{self.precision}"
            self.identity = identity_of(kind, self.path)
        except OSError as error:
            reason = f"not a readable safetensors file ({error})"
            raise FileError(self.path, reason) from error
        except (
            LookupError,
            ValueError,
            TypeError,
            AttributeError,
            ArithmeticError,
            DataError,
        ) as e:
            raise FileError(self.path, f"its weights do not fit its architecture ({e})") from e

    @property
    def executed(self) -> bool:
        """Whether the executor runs it, which takes less memory than NumPy does."""
        return self._model is not None

    def levels(self, points: NDArray[np.float32], parts: Superpoints | None = None) -> Any:
        del parts
        if self._model is not None:
            return self._model.pyramid(np.ascontiguousarray(points), geometry.threads())
        config = self.config
        return geometry.pyramid(
            points, grid=config.grid, radius=config.radius, neighbours=config.neighbours
        )

    def logits(self, features: NDArray[np.float32], levels: Any) -> NDArray[np.float32]:
        if self._model is None:
            return self._network(features, levels)
        out = np.empty((len(features), len(self.config.classes)), np.float32)
        bf16 = self.precision == "bf16"
        self._model.logits(np.ascontiguousarray(features), levels, out, geometry.threads(), bf16)
        return out


def _tensors(entry: Entry) -> dict[str, NDArray[Any]]:
    """The weights by name."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(entry.path, framework="np") as file:
            return {name: file.get_tensor(name) for name in entry.shapes}
    except SafetensorError as error:
        raise FileError(entry.path, f"not a readable safetensors file ({error})") from error
    except TypeError as error:  # bfloat16, float8
        reason = f"its tensors need PyTorch to be read ({error})"
        raise FileError(entry.path, reason) from error
