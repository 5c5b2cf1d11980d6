"""Refining: a model goes on learning from the part of a file that a person has checked.

Every file gives two scenes. One knows the checked points alone, the other the whole file, where
nobody has checked it by what the model itself says and is sure of. Samples come from both alike, so
the model learns what was corrected and is held to the rest of what it knew (distillation, Li and
Hoiem 2017). The weights that come out are a mean of those before and after (Wortsman et al. 2022).
"""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from salanet.adapt.alignment import Alignment, AlignmentOptions, examine
from salanet.cloud import PointCloud
from salanet.datasets.benchmark import Benchmark, Raw, prepare_scene
from salanet.datasets.jobs import Job
from salanet.engine import Runner, as_runner, segment
from salanet.errors import ConfigError, DataError, FileError
from salanet.io import read
from salanet.io.area import Area
from salanet.io.atomic import protect
from salanet.model_file import locate
from salanet.models import Network, load, save
from salanet.sampling import features
from salanet.sampling.summary import summarise
from salanet.sampling.terrain import TOLD
from salanet.scenes import Scene, open_scenes
from salanet.training.engine import Trainer
from salanet.training.finetune import open_parent, recipe_from
from salanet.training.recipe import Recipe, parse_recipe

UNKNOWN = -1  # the class of a point that teaches nothing
EPOCHS = 10  # into which the steps are divided
CHECKED, WHOLE = "checked", "whole"  # names of the two scenes of a file
NOT_ITS_OWN = ("file", "card", "metrics", "validation")  # figures and words about the parent
FINER = 1.5  # scenes are this much finer than the finest cells that are drawn from them


@dataclass(frozen=True)
class Checked:
    """Which points of a file a person has checked, so that their class is the truth.

    Attributes:
        area: polygons; None: anywhere.
        marks: an attribute that is not 0 at checked points; None: all points of the area.
    """

    area: Area | None = None
    marks: str | None = None

    def rows(self, cloud: PointCloud, where: str) -> NDArray[np.bool_]:
        """bool (N,), whether a point was checked.

        Raises:
            ConfigError: the area is in another reference system than the file.
            DataError: no such attribute.
        """
        found = np.ones(len(cloud), bool)
        if self.area is not None:
            self.area.require_system(cloud.crs, where)
            found &= self.area.contains(cloud.xyz[:, :2])
        if self.marks is not None:
            marks = cloud.arrays().get(self.marks)
            if marks is None or marks.ndim != 1:
                raise DataError(f"{where}: has no attribute '{self.marks}' with one value a point")
            found &= np.asarray(marks != 0)
        return found


@dataclass(frozen=True)
class Refining:
    """How a model is refined.

    Attributes:
        steps: of the optimiser.
        rate: learning rate of the head and body alike.
        sure: the model's own class of a point that nobody has checked counts from this probability.
        share: of what was learned that the model keeps: 1 is all of it, 0 the model as it was.
        seed: of what is drawn.
    """

    steps: int = 60
    rate: float = 1e-3
    sure: float = 0.6
    share: float = 0.25
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps < 1 or not self.rate > 0:
            raise ConfigError("refining takes at least one step, at a positive rate")
        if not 0 <= self.sure <= 1 or not 0 < self.share <= 1:
            raise ConfigError("the probability and the share are between 0 and 1")


@dataclass
class Refined:
    """What refining did.

    Attributes:
        files: what was learned from.
        checked: points with a class that a person has checked.
        corrected: those of them that the model had another class for.
        unknown: checked points by a code that the model does not know; they were left out.
        right_before, right_after: share of the checked points that the model had and has right.
        changed: of the other points, former class → present class → points, where they differ.
        others: how many other points there are.
        remarks: what was decided about the files and what is doubtful, one line each.
        seconds: of it all.
    """

    files: list[str] = field(default_factory=list)
    checked: int = 0
    corrected: int = 0
    unknown: dict[int, int] = field(default_factory=dict)
    right_before: float = 0.0
    right_after: float = 0.0
    changed: dict[str, dict[str, int]] = field(default_factory=dict)
    others: int = 0
    remarks: list[str] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True)
class _File:
    """A file, what a person says of its points, and what the model said and was sure of."""

    cloud: PointCloud
    alignment: Alignment
    truth: NDArray[np.int16]
    said: NDArray[np.int16]
    sure: NDArray[np.bool_]


def refine(
    files: Sequence[str | Path],
    model: str | Path,
    to: str | Path,
    checked: Checked,
    refining: Refining | None = None,
    *,
    columns: str | None = None,
) -> Refined:
    """Refine a model on the checked part of files, and write it as a new model file.

    Args:
        files: point clouds with classes, as `salanet.label` writes them and people correct them.
        model: a scene model, a file or the name of one that comes with the package.
        to: the model file to write.
        checked: which points' classes are the truth.
        refining: steps, rate and what holds the model to what it knew.
        columns: of text files.

    Raises:
        FileError, DataError: a file is not readable, has no classes or too little for the model, or
            the model cannot be written.
        ConfigError: no point was checked, or none has a class that the model knows.
    """
    started = time.monotonic()
    refining = refining or Refining()
    parent = open_parent(model)
    protect(to, [*files, locate(model)])
    if Path(to).suffix.lower() != ".safetensors":
        raise FileError(to, "is no name of a model: let it end in .safetensors")
    if not Path(to).parent.is_dir():
        raise FileError(to, "cannot be written: there is no such folder")
    if parent.config.parts:
        raise ConfigError(f"{model}: a model of shapes' parts; refining is for scenes")
    report = Refined(files=[str(path) for path in files])
    runner = as_runner(model)
    opened = [
        _open(Path(path), parent, runner, checked, refining.sure, columns, report) for path in files
    ]
    if not report.checked and not report.unknown:
        raise ConfigError("no point of the files was checked")
    if not report.checked:
        known = ", ".join(map(str, _codes(parent)))
        raise ConfigError(f"no checked point has a class that the model knows (codes {known})")
    with tempfile.TemporaryDirectory(prefix="salanet-refine-") as folder:
        scenes = _scenes(opened, parent, Path(folder))
        recipe = _recipe(parent, refining)
        run = Trainer(
            recipe,
            scenes,
            [],
            Path(folder) / "run",
            parent=parent,
            console=Console(quiet=True),
        ).train()
        learned = load(run.last)
    _blend(learned, parent, refining.share)
    metadata = {key: value for key, value in parent.metadata.items() if key not in NOT_ITS_OWN}
    learned.metadata = metadata | {
        "parent": parent.metadata["file"],
        "refined": asdict(refining) | {"checked": report.checked, "corrected": report.corrected},
    }
    save(learned, to)
    _compare(opened, as_runner(to), report)
    report.seconds = time.monotonic() - started
    return report


def _open(
    path: Path,
    parent: Network,
    runner: Runner,
    checked: Checked,
    sure: float,
    columns: str | None,
    report: Refined,
) -> _File:
    cloud = read(path, columns=columns)
    if cloud.label is None:
        raise DataError(f"{path}: has no classes")
    alignment = examine(parent, summarise(cloud), AlignmentOptions(), str(path))
    report.remarks += [remark for remark in alignment.remarks if remark not in report.remarks]
    said, probability = _said(runner, cloud, alignment)
    rows = checked.rows(cloud, str(path)) & (said != UNKNOWN)
    codes = _codes(parent)
    truth = np.full(len(cloud), UNKNOWN, np.int16)
    for number, code in enumerate(codes):
        truth[rows & (cloud.label == code)] = number
    strange, counts = np.unique(cloud.label[rows & (truth == UNKNOWN)], return_counts=True)
    for code, count in zip(strange.tolist(), counts.tolist(), strict=True):
        report.unknown[int(code)] = report.unknown.get(int(code), 0) + count
    known = truth != UNKNOWN
    report.checked += int(known.sum())
    report.corrected += int((known & (truth != said)).sum())
    return _File(cloud, alignment, truth, said, probability >= sure)


def _said(
    model: Runner, cloud: PointCloud, alignment: Alignment
) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
    """The model's class of every point, -1 without one, and its probability."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = segment(model, cloud, probabilities=True, alignment=alignment)
    assert found.probabilities is not None
    return found.labels.astype(np.int16), found.probabilities.max(axis=1)


def _codes(model: Network) -> list[int]:
    given = model.metadata.get("codes") or range(len(model.config.classes))
    assert isinstance(given, Sequence)
    return [int(code) for code in given]


def _scenes(opened: Sequence[_File], parent: Network, folder: Path) -> list[Scene]:
    """The two scenes of every file."""
    cells = _recipe_of(parent).sampling.cells
    grid = parent.config.grid if cells is None else cells[0] / FINER
    names = parent.config.classes
    benchmark = Benchmark(
        name=str(parent.metadata.get("training_data") or ""),
        origin="checked by a person",
        licence=str(parent.metadata.get("licence") or ""),
        classes=tuple(names),
        codes=tuple(_codes(parent)),
        colours=((150, 150, 150),) * len(names),
    )
    wanted = features.required(parent.config.features)
    for number, file in enumerate(opened):
        seen = np.flatnonzero(file.said != UNKNOWN)  # strays and flagged noise are not
        cloud = file.alignment.cloud(file.cloud.rows(seen))
        taught = np.where(file.sure, file.said, np.int16(UNKNOWN))
        whole = np.where(file.truth != UNKNOWN, file.truth, taught)
        for name, labels in ((CHECKED, file.truth), (WHOLE, whole)):
            job = Job(f"train/{name}_{number}", (), folder / "train" / f"{name}_{number}")
            prepare_scene(
                job,
                benchmark=benchmark,
                settings={"dataset": benchmark.name, "grid": grid},
                read=partial(_raw, cloud, labels[seen]),
                keep=[name for name in wanted if name in TOLD or name in cloud.arrays()],
            )
    return open_scenes(folder, "train")


def _raw(cloud: PointCloud, labels: NDArray[np.int16], _: Job) -> Raw:
    return Raw(cloud, labels)


def _recipe_of(parent: Network) -> Recipe:
    """The recipe that the model was trained with; without one, the least."""
    given = parent.metadata.get("recipe")
    content = dict(given) if isinstance(given, dict) else {}
    return parse_recipe(content, "the model's recipe")


def _recipe(parent: Network, refining: Refining) -> Recipe:
    """The model's own recipe for some steps, centred on what has a class, at a rate of its own."""
    content: dict[str, Any] = _recipe_of(parent).model_dump(mode="json")
    content["data"] = {"dataset": str(parent.metadata.get("training_data") or "")}
    content["sampling"] |= {"balance": 1.0, "centres": "random", "shares": {"*": 1.0}}
    batch = content["training"]["batch_size"]
    epochs = min(EPOCHS, refining.steps)
    content["training"] |= {
        "epochs": epochs,
        "samples_per_epoch": batch * -(-refining.steps // epochs),
        "seed": refining.seed,
    }
    recipe = recipe_from(parse_recipe(content, "refining"), parent)
    rate = recipe.training.model_copy(update={"learning_rate": refining.rate})
    return recipe.model_copy(update={"training": rate})


@torch.no_grad()
def _blend(learned: Network, parent: Network, share: float) -> None:
    """learned ← parent + share (learned - parent), the statistics of batch norms included."""
    before = parent.state_dict()
    for name, tensor in learned.state_dict().items():
        if tensor.is_floating_point():
            tensor.lerp_(before[name], 1 - share)


def _compare(opened: Sequence[_File], learned: Runner, report: Refined) -> None:
    """Fill in what is right and what else has changed."""
    names = learned.config.classes
    changed = np.zeros((len(names), len(names)), np.int64)
    before = after = 0
    for file in opened:
        now, _ = _said(learned, file.cloud, file.alignment)
        known = file.truth != UNKNOWN
        before += int((file.said == file.truth)[known].sum())
        after += int((now == file.truth)[known].sum())
        others = ~known & (file.said != UNKNOWN) & (now != UNKNOWN)
        np.add.at(changed, (file.said[others], now[others]), 1)
    report.right_before, report.right_after = before / report.checked, after / report.checked
    report.others = int(changed.sum())
    np.fill_diagonal(changed, 0)
    report.changed = {
        names[i]: {names[j]: int(changed[i, j]) for j in np.flatnonzero(changed[i])}
        for i in np.flatnonzero(changed.any(axis=1))
    }
