"""The functions of `import salanet` that have no module of their own."""

from __future__ import annotations

import os
import tempfile
import webbrowser
from collections.abc import Generator, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from salanet.errors import ConfigError, DataError, MissingExtraError

if TYPE_CHECKING:
    from salanet.cloud import PointCloud
    from salanet.engine.runner import Precision, Runner
    from salanet.evaluation import Confusion
    from salanet.io.describe import Description
    from salanet.model_file import Entry
    from salanet.training import Run

POINTS = 2_000_000  # of each cloud that is shown


class OpenCloud:
    """A point cloud file whose points are read a few at a time; from `open`.

    Formats other than LAS, LAZ and binary PLY are read at once when the first points are asked for.

    Attributes:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        from salanet.io.stream import open_stream

        self.path = path
        self._stream = open_stream(path, path)
        self._cloud: PointCloud | None = None

    def __enter__(self) -> OpenCloud:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._cloud = None

    def __len__(self) -> int:
        return self._stream.count if self._stream else len(self._whole())

    @property
    def names(self) -> list[str]:
        """The arrays that its clouds can have beside the coordinates."""
        return self._stream.names if self._stream else [*self._whole().arrays()]

    def clouds(self, size: int = 1_000_000) -> Generator[PointCloud, None, None]:
        """All points in clouds of `size`, the last one smaller, in the file's order."""
        if self._stream:
            yield from self._stream.clouds(size, [*self._stream.names])
            return
        import numpy as np

        whole = self._whole()
        for start in range(0, len(whole), size):
            yield whole.rows(np.arange(start, min(start + size, len(whole))))

    def _whole(self) -> PointCloud:
        from salanet.io import read

        if self._cloud is None:
            self._cloud = read(self.path)
        return self._cloud


def open(path: str | Path) -> OpenCloud:
    """Open a point cloud file of any size, to go through its points a few at a time.

        with salanet.open("survey.laz") as file:
            for cloud in file.clouds(1_000_000):
                ...

    Raises FileError if the file is missing or damaged, as far as that shows at its beginning.
    """
    return OpenCloud(Path(path))


def info(path: str | Path, *, columns: str | None = None) -> Description:
    """What is in a point cloud file: format, points, extent, reference system, attributes, classes.

    Args:
        path: the file.
        columns: what the columns of a text file are; see `salanet.read`.
    """
    from salanet.io.describe import describe

    return describe(path, columns=columns)


def models(folder: str | Path | None = None) -> list[Entry]:
    """The models of a folder, by default those that come with the package, by name."""
    from salanet.model_file import entries

    return entries(None if folder is None else Path(folder))


def open_model(
    model: str | Path,
    device: str = "auto",
    *,
    precision: Precision = "float32",
    sha256: str | None = None,
) -> Runner:
    """Open a model to run it.

    `salanet.segment`, `label` and `Segmenter` take it, and many clouds share it. See
    `salanet.engine.open_runner` for what runs it, and what is raised.

    Args:
        model: a file, a folder with one (such as that of a run), the name of a model that comes
            with the package, or an https address with the checksum of the file:
            ``https://example.org/mine.safetensors#sha256=4f2a…``. What is fetched is kept in
            `salanet.fetched.folder`.
        device: auto, cpu, or what PyTorch calls a device.
        precision: float32, or bf16 where the processor has it (`salanet.engine.open_runner`).
        sha256: the checksum, for addresses without one, and for files, which are compared.
    """
    from salanet.engine import open_runner
    from salanet.fetched import checked, fetched, is_address
    from salanet.model_file import locate

    if sha256 is None:
        return open_runner(model, device, precision=precision)
    if is_address(str(model)):
        return open_runner(fetched(str(model), sha256), device, precision=precision)
    path = locate(model)
    if path.is_file() and not checked(path, sha256):
        raise DataError(f"{path}: is not the file of the checksum")
    return open_runner(path, device, precision=precision)


def list_operators() -> list[str]:
    """Local aggregation operators and forms of them by name; without PyTorch what runs then."""
    from salanet.model_config import PRESETS

    if find_spec("torch") is not None:
        from salanet.operators import OPERATORS

        return [*OPERATORS, *PRESETS]
    from salanet.engine.aggregations import AGGREGATIONS

    return [*AGGREGATIONS, *PRESETS]


def view(
    *what: PointCloud | str | Path,
    to: str | Path | None = None,
    colour: str | None = None,
    points: int = POINTS,
) -> Path:
    """Look at clouds or files, side by side: turn, zoom, colour by class, height and more.

    Args:
        what: clouds in memory, or files.
        to: a page (.html) or picture (.png) to write; None for a page that the browser opens.
        colour: what to colour by at first: class, truth, error, rgb, height, intensity, confidence
            or any attribute; None for what is there.
        points: most points of each to show, picked evenly.

    Returns:
        The page or picture.

    Raises:
        DataError: nothing to show, or not to be coloured so.
        FileError: a file that cannot be read or written.
    """
    from salanet.view import Sample, load, sheet, write_page, write_png

    samples = [
        load(Path(one), points)
        if isinstance(one, (str, os.PathLike))
        else Sample.of(one, f"cloud {i + 1}" if len(what) > 1 else "cloud", limit=points)
        for i, one in enumerate(what)
    ]
    path = Path(to) if to is not None else Path(tempfile.mkdtemp("", "salanet-")) / "view.html"
    if path.suffix.lower() == ".png":
        write_png(path, sheet(samples, mode=colour))
    elif path.suffix.lower() in (".html", ".htm"):
        write_page(samples, path, mode=colour)
    else:
        raise ConfigError(f"{path}: name a file that ends in .html or .png")
    if to is None:
        webbrowser.open(path.resolve().as_uri())
    return path


def train(
    recipe: str | Path,
    data: str | Path,
    to: str | Path,
    *,
    start: str | Path | None = None,
    budget: float | None = None,
    resume: bool = False,
    **settings: Any,
) -> Run:
    """Train a network on prepared scenes, as `salanet train` does. Needs the extra `train`.

    Args:
        recipe: the name of a shipped recipe, or a YAML file.
        data: the folder that `salanet prepare` wrote.
        to: the run folder.
        start: a model to fine-tune: a file, or the name of a shipped one.
        budget: seconds after which to stop.
        resume: go on with the run in that folder.
        settings: sections of the recipe with values that differ, such as training={"epochs": 20}.

    Returns:
        The run; its `best` and `last` are model files.

    Raises:
        MissingExtraError: PyTorch or Lightning Fabric is not installed.
        ConfigError, DataError, FileError: the scenes cannot be trained on with this recipe.
    """
    require_torch()
    from salanet.training import Trainer, load_recipe
    from salanet.training.data import scenes, shapes
    from salanet.training.finetune import open_parent, recipe_from
    from salanet.training.recipe import changed

    asked = changed(load_recipe(str(recipe)), settings)
    parent = open_parent(str(start)) if start else None
    if parent is not None:
        asked = recipe_from(asked, parent)
    open_data = shapes if asked.sampling.shape == "whole" else scenes
    train_on, validation = open_data(Path(data), asked)
    trainer = Trainer(asked, train_on, validation, Path(to), parent=parent, budget=budget)
    return trainer.train(resume=resume)


def evaluate(
    model: str | Path | Runner, data: str | Path, split: str = "test", *, votes: int = 1
) -> Confusion:
    """The confusion of a scene model over every original point of labelled scenes.

    The protocol is `whole`: each scene at once, or in large tiles. `salanet evaluate` has the
    paper's as well.

    Args:
        model: of scenes.
        data: the folder that `salanet prepare` wrote.
        split: which of its scenes.
        votes: passes, each with the scene turned and scaled otherwise.

    Raises:
        ConfigError, FileError, DataError: see `salanet.evaluation.evaluate`.
    """
    from salanet.engine import as_runner
    from salanet.evaluation import Whole
    from salanet.evaluation import evaluate as measure
    from salanet.scenes import open_scenes

    scenes: Sequence[Any] = open_scenes(Path(data), split)
    return measure(as_runner(model), scenes, Whole(votes))


def require_torch() -> None:
    """Raise MissingExtraError unless PyTorch is installed."""
    if find_spec("torch") is None:
        raise MissingExtraError("torch", "train")
