"""Prepared scenes as data sets of PyTorch, for training loops of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from salanet.errors import ConfigError, FileError
from salanet.sampling import features
from salanet.scenes import Scene, check_alike, open_scenes
from salanet.training.recipe import Recipe, changed, load_recipe
from salanet.training.samples import Samples
from salanet.training.setup import check_scene


class Piece(NamedTuple):
    """One cloud, or several stacked by `stack`.

    Attributes:
        points: float32 (N, 3).
        features: float32 (N, C).
        labels: int64 (N,), class index; -1 = ignored.
        splits: int64 (B + 1,): cloud b has the rows from splits[b] to splits[b + 1].
    """

    points: Tensor
    features: Tensor
    labels: Tensor
    splits: Tensor


def stack(pieces: Sequence[Piece]) -> Piece:
    """Several clouds as one: the `collate_fn` of a DataLoader."""
    points, values, labels, splits = zip(*pieces, strict=True)
    counts = [int(one[-1]) for one in splits]
    ends = torch.from_numpy(np.cumsum([0, *counts]))
    return Piece(torch.cat(points), torch.cat(values), torch.cat(labels), ends)


class _Source:
    """Labelled scenes of a folder, and what of a recipe concerns them.

    Attributes:
        scenes: in order of their names.
        classes: their names.
        channels: what each channel of the features is called.
        grid: size of their cells.
        recipe: the one that is followed.
        intensity_scale: the intensity that becomes 1.
    """

    def __init__(
        self,
        data: str | Path,
        split: str | None,
        recipe: str | Path | Recipe | None,
        settings: dict[str, Any],
        intensity_scale: float | None,
        judged: bool,
    ) -> None:
        if isinstance(recipe, Recipe):
            found = recipe
        else:
            found = Recipe() if recipe is None else load_recipe(str(recipe))
        self.recipe = changed(found, settings)
        if self.recipe.sampling.shape == "whole":
            raise ConfigError("sampling.shape: whole shapes are no pieces of scenes")
        self.scenes: list[Scene] = open_scenes(Path(data), split)
        if not self.scenes:
            raise FileError(Path(data), "holds no scenes")
        check_alike(self.scenes, ["classes"])
        for scene in self.scenes:
            check_scene(scene, self.recipe, judged)
        self.classes = [*self.scenes[0].classes]
        self.channels = features.channels(self.recipe.model.features)
        known = [s.arrays["intensity"] for s in self.scenes if "intensity" in s.arrays]
        self.intensity_scale = intensity_scale or features.intensity_scale_of(known)

    @property
    def grid(self) -> float:
        return float(self.recipe.model.grid or self.scenes[0].grid or 0)


class _Drawn(Samples):
    """Samples for networks that nobody here knows: only the grid of their cells matters."""

    @property
    def grid(self) -> float:
        return float(self.recipe.model.grid or self.scenes[0].grid or 0)


class Pieces(_Source, Dataset[Piece]):
    """Pieces of labelled scenes, drawn and augmented as `salanet train` does.

    Piece i of an epoch is the same whenever it is asked for, in whatever process.

    Args:
        data: the folder that `salanet prepare` wrote.
        split: which of its scenes; None for all.
        recipe: name of a shipped recipe or a file, whose sampling, augmentation and features are
            followed, or a `Recipe`; None for its defaults.
        samples: pieces in an epoch; None for as many as the recipe says.
        intensity_scale: the intensity that becomes 1; None for what suits the scenes.
        settings: sections of the recipe with values that differ, such as
            sampling={"sphere_radius": 8}.

    Attributes:
        epoch: which pieces are drawn; set it before each, with worker processes before they start.

    Raises:
        FileError: no scenes, or one without labels.
        ConfigError, DataError: the scenes have not what the recipe asks for.
    """

    def __init__(
        self,
        data: str | Path,
        split: str | None = "train",
        recipe: str | Path | Recipe | None = None,
        *,
        samples: int | None = None,
        intensity_scale: float | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(data, split, recipe, settings, intensity_scale, judged=False)
        if self.recipe.sampling.centres == "potentials":  # which know no order but their own
            self.recipe = changed(self.recipe, {"sampling": {"centres": "random"}})
        self._count = samples or self.recipe.training.samples_per_epoch
        self._samples: _Drawn | None = None
        self.epoch = 0

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: int) -> Piece:
        if not 0 <= number < self._count:
            raise IndexError(number)
        if self._samples is None:  # each process its own
            none = cast(Any, None)  # no network is asked for anything
            self._samples = _Drawn(self.recipe, self.scenes, none, self.intensity_scale)
        found = self._samples.sample(self.epoch, number)
        labels, _ = self._samples.unions.split(torch.from_numpy(found.labels))
        return _piece(found.points, found.features, labels)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_samples": None}


class Scenes(_Source, Dataset[Piece]):
    """Whole labelled scenes as they are, to be judged on; see `Pieces` for the arguments.

    The intensity scale is that of the training scenes, so that both see the same.
    """

    def __init__(
        self,
        data: str | Path,
        split: str | None = "val",
        recipe: str | Path | Recipe | None = None,
        *,
        intensity_scale: float | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(data, split, recipe, settings, intensity_scale, judged=True)

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitem__(self, number: int) -> Piece:
        scene = self.scenes[number]
        arrays = features.gather(scene)
        values = features.compute(
            self.recipe.model.features,
            intensity_scale=self.intensity_scale,
            cell_size=scene.grid,
            where=str(scene.folder),
            **arrays,
        )
        assert scene.segment is not None  # looked for before
        labels = torch.from_numpy(np.array(scene.segment, np.int64))
        known = labels.where(labels < len(self.classes), -1)  # unions of classes are none
        return _piece(np.array(arrays["xyz"], np.float32), values, known)


def _piece(points: Any, values: Any, labels: Tensor) -> Piece:
    ends = torch.tensor([0, len(labels)])
    return Piece(torch.from_numpy(points), torch.from_numpy(values), labels, ends)
