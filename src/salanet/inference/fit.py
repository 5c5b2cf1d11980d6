"""Their data, our model: units, vertical axis, density and missing attributes of a file.

`examine` decides from a sample of the points and what the file says; every decision that changes
what the network sees, and every doubt, becomes a remark. `Fit.cloud` then gives the network metres
with z up. Nothing here touches what is written: output coordinates stay those of the file.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from salanet.cloud import PointCloud
from salanet.errors import ConfigError, DataError
from salanet.inference import units
from salanet.sampling import features
from salanet.sampling.augment import NEUTRAL
from salanet.sampling.cells import HEIGHT
from salanet.sampling.survey import Survey

if TYPE_CHECKING:
    from salanet.models import ModelConfig

UPS = ("auto", "z", "y")
# Of the other extents by that along y, and of the flat patches across y by those across z.
SURELY_Y, MAYBE_Y = 2.0, 1.3
FEWEST_FACES = 0.1  # share of points on flat patches across y, for y to be up
SPARSE = 3.0  # times the spacing of training, or as many times denser: worth a remark
DIM, BRIGHT = 1 / 3, 3.0  # intensities by those of training, worth another scale
TOP = features.INTENSITY_PERCENTILE


class Described(Protocol):
    """What is known of a model, loaded or not."""

    @property
    def config(self) -> ModelConfig: ...

    @property
    def metadata(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class FitOptions:
    """What the user knows better.

    Attributes:
        units: "auto", or m, ft, us-ft, mm, cm.
        grid: cell size in metres; None for the model's own, "auto" for larger ones where the
            points are much sparser than in training.
        up: "auto", "z" or "y".
    """

    units: str = "auto"
    grid: float | str | None = None
    up: str = "auto"

    def __post_init__(self) -> None:
        if self.units not in ("auto", *units.NAMES):
            raise ConfigError(f"--units {self.units}: choose auto, {', '.join(units.NAMES)}")
        if self.up not in UPS:
            raise ConfigError(f"--up {self.up}: choose {', '.join(UPS)}")
        size = self.grid
        if isinstance(size, str) and size != "auto":
            raise ConfigError(f"--grid {size}: give a size in metres, or auto")
        if isinstance(size, (int, float)) and not 0 < size < math.inf:
            raise ConfigError(f"--grid {size}: the size of a cell must be positive")


@dataclass(frozen=True)
class Fit:
    """How a file becomes what a model expects; the same for every part of the file.

    Attributes:
        scale: metres per unit along the file's x, y and z.
        y_up: the file's y points up; y becomes z, and z becomes -y.
        grid: size in metres of the cells to work with.
        zoom: factor on the coordinates of the cells, so that the network finds its own grid.
        intensity_scale: the intensity that becomes 1; None if the model has no such feature.
        fill: value of each array that the file lacks, and the model can do without.
        remarks: what was decided and what is doubtful, one line each.
    """

    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)
    y_up: bool = False
    grid: float = 0.04
    zoom: float = 1.0
    intensity_scale: float | None = None
    fill: tuple[tuple[str, float], ...] = ()
    remarks: tuple[str, ...] = ()

    def apply(self, xyz: NDArray[np.float64]) -> NDArray[np.float64]:
        """Coordinates (N, 3) of the file as metres, z up; the array itself if nothing changes."""
        if self.scale != (1.0, 1.0, 1.0):
            xyz = xyz * np.array(self.scale)
        return _turned(xyz) if self.y_up else xyz

    def cloud(self, cloud: PointCloud) -> PointCloud:
        """The cloud as the network is to see it, or any part of it; shares what stays the same."""
        if self.scale == (1.0, 1.0, 1.0) and not self.y_up and not self.fill:
            return cloud
        arrays = cloud.arrays()
        for name, value in self.fill:
            shape = (len(cloud), 3) if name == "rgb" else (len(cloud),)
            arrays[name] = np.full(shape, value, np.float32 if name == "intensity" else np.uint8)
        return PointCloud(
            self.apply(cloud.xyz),
            rgb=arrays.pop("rgb", None),
            intensity=arrays.pop("intensity", None),
            label=arrays.pop("label", None),
            attributes=arrays,
        )


def as_is(model: Described, available: Iterable[str]) -> Fit:
    """A cloud in metres with z up; neutral values for arrays that the model does without."""
    absent = [name for name in lacking(model, available) if name in optional(model)]
    return Fit(
        grid=model.config.grid,
        intensity_scale=intensity_scale(model),
        fill=tuple((name, float(NEUTRAL[name])) for name in absent),
    )


def examine(
    model: Described,
    survey: Survey,
    options: FitOptions | None = None,
    where: str = "point cloud",
) -> Fit:
    """Decide how a file becomes what the model expects.

    Args:
        model: a scene model, or its configuration and metadata.
        survey: what the file looks like (`salanet.sampling.survey`).
        options: what is not to be found out.
        where: what errors call the file.

    Raises:
        DataError: the file lacks an attribute that the model needs, or is in degrees.
        ConfigError: the model is not for scenes.
    """
    options = options or FitOptions()
    trained = trained_spacing(model)
    found = units.decide(options.units, survey, model.config.grid, trained, where)
    y_up, about_up = _up(options.up, survey)
    spacing = survey.spacing * found.scale[0]
    grid, about_grid = _grid(options.grid, spacing, model.config.grid, trained)
    fill, about_arrays = _missing(model, survey, where)
    scale, about_intensity = _intensity(model, survey, dict(fill))
    return Fit(
        scale=found.scale,
        y_up=y_up,
        grid=grid,
        zoom=model.config.grid / grid,
        intensity_scale=scale,
        fill=tuple(fill.items()),
        remarks=(*found.remarks, *about_up, *about_grid, *about_arrays, *about_intensity),
    )


def trained_spacing(model: Described) -> float:
    """Metres between neighbouring points of the training data; no less than the model's grid."""
    spacing = model.metadata.get("spacing")
    known = isinstance(spacing, (int, float)) and math.isfinite(spacing)
    return max(spacing, model.config.grid) if spacing and known else model.config.grid


def intensity_scale(model: Described) -> float | None:
    """The intensity that becomes 1, as fixed in training; None if the model has none."""
    scale = model.metadata.get("intensity_scale")
    return float(scale) if isinstance(scale, (int, float)) and scale else None


def optional(model: Described) -> list[str]:
    """Per-point arrays that the model works without."""
    named = model.metadata.get("optional")
    return [str(name) for name in named] if isinstance(named, (list, tuple)) else []


def lacking(model: Described, available: Iterable[str]) -> list[str]:
    """Arrays the model's features are made from, and that are not there."""
    there = {*available, HEIGHT}
    return [name for name in features.required(model.config.features) if name not in there]


def upright(survey: Survey) -> Survey:
    """The same cloud with z up, turned if that is evident."""
    return replace(survey, xyz=_turned(survey.xyz)) if _up("auto", survey)[0] else survey


def _turned(xyz: NDArray[np.float64]) -> NDArray[np.float64]:
    """y up to z up."""
    return np.stack([xyz[:, 0], -xyz[:, 2], xyz[:, 1]], axis=1)


def _up(option: str, survey: Survey) -> tuple[bool, list[str]]:
    """Whether y is up; by itself only if the cloud is far flatter along y, and flat across it."""
    if option == "y":
        return True, ["y is up, as asked; the network sees z up, the output keeps its axes"]
    if option == "z" or survey.upright or survey.crs is not None or not survey.size[1] > 0:
        return False, []
    flatter = min(survey.size[0], survey.size[2]) / survey.size[1]
    _, across_y, across_z = survey.faces
    if across_y < FEWEST_FACES:
        return False, []
    if flatter > SURELY_Y and across_y > SURELY_Y * across_z:
        return True, [
            "y is up: the cloud is flattest along y, and most of its planes lie across y; the "
            "network sees z up, the output keeps its axes (--up z if this is wrong)"
        ]
    if flatter > MAYBE_Y and across_y > MAYBE_Y * across_z:
        return False, ["z is taken to be up, but it may be y: see --up y"]
    return False, []


def _grid(
    option: float | str | None, spacing: float, grid: float, trained: float
) -> tuple[float, list[str]]:
    """The size of cells to work with, for points `spacing` metres apart."""
    if isinstance(option, (int, float)):
        same = math.isclose(option, grid)
        remark = f"cells of {option:g} m, as asked; the model was trained with {grid:g} m"
        return float(option), [] if same else [remark]
    sparser = max(spacing, grid) / trained if math.isfinite(spacing) else 1.0
    if 1 / SPARSE <= sparser <= SPARSE:
        return grid, []
    # Cells as full as in training would make everything look as much smaller: half way is better
    # than either end (measured on airborne tiles thinned 16 and 64 times).
    fitting = float(f"{grid * math.sqrt(sparser):.2g}")
    apart = f"points are about {spacing:.2g} m apart, the model was trained on {trained:.2g} m"
    if option == "auto":
        return fitting, [f"{apart}: cells of {fitting:g} m instead of {grid:g} m"]
    return grid, [f"{apart}: expect less; --grid auto would take cells of {fitting:g} m"]


def _missing(model: Described, survey: Survey, where: str) -> tuple[dict[str, float], list[str]]:
    """Values for what the file lacks, or has a field for that nobody filled."""
    wanted = features.required(model.config.features)
    absent = lacking(model, survey.arrays)
    without = optional(model)
    for name in absent:
        if name not in without:
            has = ", ".join(sorted(survey.arrays)) or "coordinates only"
            raise DataError(
                f"{where}: the model needs '{name}', which the file lacks (it has {has}); use a "
                "model that works without it (salanet models) or add the attribute"
            )
    blank = [name for name in wanted if name in NEUTRAL and survey.empty(name)]
    fill = {name: float(NEUTRAL[name]) for name in (*absent, *blank)}
    remarks = []
    if absent:
        remarks.append(f"the file has no {_listed(absent)}: the model does without")
    if blank:
        trained = [name for name in blank if name not in without]
        hope = "never did without: expect less" if trained else "does without"
        are = "is" if len(blank) == 1 else "are"
        remarks.append(f"{_listed(blank)} {are} 0 everywhere in the file: the model {hope}")
    return fill, remarks


def _intensity(
    model: Described, survey: Survey, fill: dict[str, float]
) -> tuple[float | None, list[str]]:
    """The intensity that becomes 1: that of training, unless the file's are of another range."""
    scale = intensity_scale(model)
    if scale is None or "intensity" not in survey.arrays or "intensity" in fill:
        return scale, []
    values = survey.arrays["intensity"]
    values = values[np.isfinite(values)]
    # Two digits: another sample of the file would decide alike.
    top = float(f"{np.percentile(values, TOP):.2g}") if len(values) else 0.0
    if not top > 0 or DIM <= top / scale <= BRIGHT:
        return scale, []
    remark = (
        f"intensities reach about {top:g}, those of training {scale:.3g}: brought to the same range"
    )
    return top, [remark] if "intensity" in model.config.features else []


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
