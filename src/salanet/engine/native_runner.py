"""Models run by NumPy and the fused kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from salanet import geometry
from salanet.engine.network import SalaNetwork
from salanet.errors import FileError
from salanet.model_file import Entry, identity_of
from salanet.sampling.boxes import HALO_RADII

if TYPE_CHECKING:
    from salanet.sampling.partition import PartitionOptions, Superpoints


class NativeRunner:
    """A `Runner` of a `.safetensors` file whose operator has native kernels.

    One may be used by several Python threads. The kernels use as many threads as
    `salanet.geometry.threads`; NumPy's matrix products have threads of their own (OMP_NUM_THREADS,
    before NumPy is imported).

    Raises:
        FileError: the file cannot be read, or its tensors are not those of its architecture.
    """

    halo_radii = HALO_RADII
    pass_points: int | None = None
    partition: PartitionOptions | None = None
    overhead = 0

    def __init__(self, entry: Entry) -> None:
        from safetensors import SafetensorError, safe_open

        self.path, self.config, self.card = entry.path, entry.config, entry.card
        try:
            with safe_open(self.path, framework="np") as file:
                tensors = {name: file.get_tensor(name) for name in entry.shapes}
            self.identity = identity_of("native", self.path)
        except (SafetensorError, OSError) as error:
            reason = f"not a readable safetensors file ({error})"
            raise FileError(self.path, reason) from error
        except TypeError as error:  # bfloat16, float8
            reason = f"its tensors need PyTorch to be read ({error})"
            raise FileError(self.path, reason) from error
        try:
            self._network = SalaNetwork(tensors, self.config)
        except (LookupError, ValueError, TypeError, AttributeError, ArithmeticError) as error:
            reason = f"its weights do not fit its architecture ({error})"
            raise FileError(self.path, reason) from error

    def levels(
        self, points: NDArray[np.float32], parts: Superpoints | None = None
    ) -> list[geometry.Level]:
        del parts
        config = self.config
        return geometry.pyramid(
            points, grid=config.grid, radius=config.radius, neighbours=config.neighbours
        )

    def logits(
        self, features: NDArray[np.float32], levels: list[geometry.Level]
    ) -> NDArray[np.float32]:
        return self._network(features, levels)
