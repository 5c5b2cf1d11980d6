"""Training batches of whole shapes, all categories at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from salanet.datasets.partnet import Shapes
from salanet.evaluation.voting import stacked
from salanet.models import Network
from salanet.sampling import features
from salanet.training.recipe import Recipe
from salanet.training.samples import BEFORE_FIRST, Batch, Draws, share_of
from salanet.training.search import pyramid_of


class ShapeSamples(Draws):
    """Draws the batches of a recipe from shapes: every shape once before any comes again.

    Labels number the parts of all categories in one row, see `first_parts`.

    Args:
        recipe: its augmentation is used.
        shapes: by category.
        model: its pyramid is built; has a head for each category.
        rank, processes: which of how many processes this is; they share out each epoch's samples.

    Attributes:
        on_device: see `Samples`.
    """

    def __init__(
        self,
        recipe: Recipe,
        shapes: Sequence[Shapes],
        model: Network,
        *,
        rank: int = 0,
        processes: int = 1,
    ) -> None:
        self.recipe = recipe
        self.shapes = list(shapes)
        self.model = model
        self.rank, self.processes = rank, processes
        self.on_device = False
        self.starts = np.cumsum([0, *map(len, self.shapes)])
        self.first = first_parts(model)
        self.heads = [list(model.config.parts).index(one.category) for one in self.shapes]

    def batch(self, epoch: int, number: int) -> Batch:
        own = share_of(number, self.recipe.training, self.rank, self.processes)
        drawn = [self.sample(epoch, index) for index in own]
        points, labels, heads, origin = zip(*drawn, strict=True)
        names = self.recipe.model.features
        values = np.concatenate([features.compute(names, xyz=xyz) for xyz in points])
        return Batch(
            torch.from_numpy(values),
            torch.from_numpy(np.concatenate(labels)),
            pyramid_of(self.model, *stacked(points), self.on_device),
            heads,
            origin,
        )

    def sample(
        self, epoch: int, index: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64], int, str]:
        """Augmented points (P, 3), labels (P,), head, and description of one shape."""
        turn, place = divmod(index, int(self.starts[-1]))
        number = self._order(epoch, turn)[place]
        group = int(np.searchsorted(self.starts, number, side="right")) - 1
        one, row = self.shapes[group], number - self.starts[group]
        rng = np.random.default_rng((self.recipe.training.seed, epoch, index))
        points = self.recipe.augmentation.points(np.array(one.points[row]), rng)
        head = self.heads[group]
        labels = one.parts[row].astype(np.int64) + self.first[head]
        origin = f"shape {row} of {one.category}, epoch {epoch}, sample {index}"
        return points, labels, head, origin

    def _order(self, epoch: int, turn: int) -> NDArray[np.int64]:
        """All shapes in the order of one turn through them."""
        key = (self.recipe.training.seed, epoch, BEFORE_FIRST, turn)
        return np.random.default_rng(key).permutation(int(self.starts[-1]))


def first_parts(model: Network) -> list[int]:
    """The number of each category's part 0 where the parts of all categories form one row."""
    first: list[int] = np.cumsum([0, *model.config.parts.values()])[:-1].tolist()
    return first


def part_names(model: Network) -> list[str]:
    """The parts of all categories in one row, such as ``Chair 3``."""
    return [f"{category} {i}" for category, n in model.config.parts.items() for i in range(n)]
