"""Their data, our model: units, vertical axis, density and missing attributes of a file.

`examine` decides from a sample of the points and what the file says; every decision that changes
what the network sees, and every doubt, becomes a remark. `Alignment.cloud` then gives the network
metres with z up. Nothing here touches what is written: output coordinates stay those of the file.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from salanet.adapt import units, upright
from salanet.adapt.cellsize import cell_size, trained_spacing
from salanet.adapt.coordinates import doubtful
from salanet.adapt.kind import DOMAINS, domain_of, find_axes
from salanet.cloud import NO_LABEL, PointCloud
from salanet.company import Company
from salanet.errors import ConfigError, DataError
from salanet.model_file import Described
from salanet.remark import Remark
from salanet.sampling import features
from salanet.sampling.features import NEUTRAL
from salanet.sampling.summary import Summary
from salanet.sampling.terrain import TOLD

DIM, BRIGHT = 1 / 3, 3.0  # intensities by those of training, worth another scale
TOP = features.INTENSITY_PERCENTILE
MANY_ZEROS = 0.05  # share of the points; few are the darkest of those that have a value
BEYOND = 1e9  # metres: no two points of a survey are so far apart


@dataclass(frozen=True)
class AlignmentOptions:
    """What the user knows better.

    Attributes:
        units: "auto", or m, ft, us-ft, mm, cm.
        grid: cell size in metres; None for the model's own, "auto" for larger ones where the
            points are much sparser than in training.
        up: "auto", "z", "-z", "y" or "-y".
        noise: points that the file flags as noise or withholds are seen like the others.
    """

    units: str = "auto"
    grid: float | str | None = None
    up: str = "auto"
    noise: bool = False

    def __post_init__(self) -> None:
        if self.units not in ("auto", *units.NAMES):
            raise ConfigError(f"units {self.units}: choose auto, {', '.join(units.NAMES)}")
        if self.up not in upright.UPS:
            raise ConfigError(f"up {self.up}: choose {', '.join(upright.UPS)}")
        size = self.grid
        if isinstance(size, str) and size != "auto":
            raise ConfigError(f"grid {size}: give a size in metres, or auto")
        if isinstance(size, (int, float)) and not 0 < size < math.inf:
            raise ConfigError(f"grid {size}: the size of a cell must be positive")


@dataclass(frozen=True)
class Alignment:
    """How a file becomes what a model expects; the same for every part of the file.

    Attributes:
        scale: metres per unit along the file's x, y and z.
        up: what points up in the file, "z", "-z", "y" or "-y"; it becomes z.
        grid: size in metres of the cells to work with.
        zoom: factor on the coordinates of the cells, so that the network finds its own grid.
        intensity_scale: the intensity that becomes 1; None if the model has no such feature.
        fill: value of each array that the file lacks, and the model can do without.
        noise: points that the file flags as noise are seen like the others.
        remarks: what was decided and what is doubtful, one line each.
    """

    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)
    up: str = "z"
    grid: float = 0.04
    zoom: float = 1.0
    intensity_scale: float | None = None
    fill: tuple[tuple[str, float], ...] = ()
    noise: bool = False
    remarks: tuple[str, ...] = ()

    def apply(self, xyz: NDArray[np.float64]) -> NDArray[np.float64]:
        """Coordinates (N, 3) of the file as metres, z up; the array itself if nothing changes."""
        if self.scale != (1.0, 1.0, 1.0):
            xyz = xyz * np.array(self.scale)
        return upright.turned(xyz, self.up)

    def cloud(self, cloud: PointCloud) -> PointCloud:
        """The cloud as the network is to see it, or any part of it; shares what stays the same."""
        if self.scale == (1.0, 1.0, 1.0) and self.up == "z" and not self.fill:
            return cloud
        arrays = cloud.arrays()
        for name, value in self.fill:
            shape = (len(cloud), 3) if name == "rgb" else (len(cloud),)
            arrays[name] = np.full(shape, value, np.float32 if name == "intensity" else np.uint8)
        return PointCloud.of_arrays(self.apply(cloud.xyz), arrays)


def as_is(model: Described, available: Iterable[str]) -> Alignment:
    """A cloud in metres with z up; neutral values for arrays that the model does without."""
    absent = [name for name in lacking(model, available) if name in model.card.optional]
    return Alignment(
        grid=model.config.grid,
        intensity_scale=intensity_scale(model),
        fill=tuple((name, float(NEUTRAL[name])) for name in absent),
    )


def examine(
    model: Described,
    summary: Summary,
    options: AlignmentOptions | None = None,
    where: str = "point cloud",
) -> Alignment:
    """Decide how a file becomes what the model expects.

    Args:
        model: a scene model, or its configuration and metadata.
        summary: what the file looks like (`salanet.sampling.summary`).
        options: what is not to be found out.
        where: what errors call the file.

    Raises:
        DataError: the file lacks an attribute that the model needs, or is in degrees.
        ConfigError: the model is not for scenes.
    """
    options = options or AlignmentOptions()
    trained = trained_spacing(model)
    found = find_axes(options.units, options.up, summary, model.config.grid, trained, where)
    seen = found.upright(summary)
    grid, about_grid = cell_size(options.grid, seen.spacing, model)
    about_model = _other_domain(model, seen)
    fill, about_arrays = _missing(model, summary, where)
    scale, about_intensity = _intensity(model, summary, dict(fill))
    about_points = _not_finite(summary) + _strays(summary.company, max(found.scale))
    about_points += _flagged(summary, options.noise)
    terrain = bool(TOLD.keys() & features.required(model.config.features))
    return Alignment(
        scale=found.scale,
        up=found.up,
        grid=grid,
        zoom=model.config.grid / grid,
        intensity_scale=scale,
        fill=tuple(fill.items()),
        noise=options.noise,
        remarks=(
            *about_points,
            *about_model,
            *found.remarks,
            *doubtful(seen, grid, terrain),
            *about_grid,
            *about_arrays,
            *about_intensity,
            *(_alone(summary) if terrain else ()),
        ),
    )


def _strays(company: Company | None, scale: float) -> list[str]:
    if company is None or not company.count:
        return []
    them = "it" if company.count == 1 else "them"
    return [f"{strays(company, scale)}: the network does not see {them}"]


def strays(company: Company, scale: float) -> str:
    """How many points lie how far away; `scale` is metres per unit."""
    least, most = (_distance(length * scale) for length in (company.nearest, company.farthest))
    apart = most if least == most else f"{least} to {most}"
    points = "1 point lies" if company.count == 1 else f"{company.count:,} points lie"
    return f"{points} {apart} from the rest"


def _not_finite(summary: Summary) -> list[str]:
    count = summary.not_finite
    if not count:
        return []
    points = "1 point has" if count == 1 else f"{count:,} points have"
    return [f"{points} NaN or infinite coordinates: no class, the label {NO_LABEL}"]


def _alone(summary: Summary) -> list[str]:
    count = 0 if summary.company is None else summary.company.alone
    if not count:
        return []
    points = "1 point stands" if count == 1 else f"{count:,} points stand"
    return [f"{points} alone: the terrain does not rest on {'it' if count == 1 else 'them'}"]


def _distance(metres: float) -> str:
    """A length in two digits."""
    if not metres < BEYOND:
        return f"more than {BEYOND / 1000:,.0f} km"
    rounded = float(f"{metres:.2g}")
    size, unit = (rounded / 1000, "km") if rounded >= 1000 else (rounded, "m")
    return f"{size:,.0f} {unit}" if size >= 10 else f"{size:.2g} {unit}"


def _flagged(summary: Summary, noise: bool) -> list[str]:
    count = summary.flagged
    if not count:
        return []
    points = "1 point is" if count == 1 else f"{count:,} points are"
    said = f"{points} flagged as noise or withheld by the file"
    return [
        f"{said}, and labelled like the others, as asked"
        if noise
        else Remark(
            f"{said}: the network does not see them, and their codes stay", "flagged", points=count
        )
    ]


def intensity_scale(model: Described, own: NDArray[np.generic] | None = None) -> float | None:
    """The intensity that becomes 1; None if the model has none.

    As fixed in training; for a model that was trained on each scene's own, that of `own`.
    """
    if own_intensity(model) and own is not None:
        return features.intensity_scale_of([own])
    return model.card.intensity_scale or None


def own_intensity(model: Described) -> bool:
    """Whether every scene's intensities, and so every file's, have their own scale."""
    return model.card.intensity == "own"


def lacking(model: Described, available: Iterable[str]) -> list[str]:
    """Arrays the model's features are made from, and that are not there."""
    there = {*available, *TOLD}
    return [name for name in features.required(model.config.features) if name not in there]


def _other_domain(model: Described, seen: Summary) -> list[str]:
    """A remark if the model is clearly for other files."""
    meant = model.card.domain
    if meant not in DOMAINS:
        return []
    kind, reason = domain_of(seen)
    if kind in ("", meant):
        return []
    return [
        f"the model is for {DOMAINS[meant]}, but this looks like {DOMAINS[kind]} ({reason}): its "
        "labels are unlikely to be of use (salanet models lists others)"
    ]


def _missing(model: Described, summary: Summary, where: str) -> tuple[dict[str, float], list[str]]:
    """Values for what the file lacks, or has a field for that nobody filled."""
    wanted = features.required(model.config.features)
    absent = lacking(model, summary.arrays)
    without = model.card.optional
    for name in absent:
        if name not in without:
            has = ", ".join(sorted(summary.arrays)) or "coordinates only"
            raise DataError(
                f"{where}: the model needs '{name}', which the file lacks (it has {has}); use a "
                "model that works without it (salanet models) or add the attribute"
            )
    known = [name for name in wanted if name in NEUTRAL and name in summary.arrays]
    blank = [name for name in known if summary.empty(name)]
    fill = {name: float(NEUTRAL[name]) for name in (*absent, *blank)}
    remarks = []
    if absent:
        remarks.append(f"the file has no {_listed(absent)}: the model does without")
    if blank:
        trained = [name for name in blank if name not in without]
        hope = "never did without: expect less" if trained else "does without"
        are = "is" if len(blank) == 1 else "are"
        what = "NaN" if all(summary.missing(name) == 1 for name in blank) else "0"
        remarks.append(f"{_listed(blank)} {are} {what} everywhere in the file: the model {hope}")
    partly = [_partly(summary, name, without) for name in known if name not in blank]
    return fill, [*remarks, *filter(None, partly)]


def _partly(summary: Summary, name: str, without: list[str]) -> str:
    """A remark if part of the points have no value: the cells of them alone are as without it."""
    missing, zero = summary.missing(name), summary.zero(name)
    if not missing and zero < MANY_ZEROS:
        return ""
    hope = "does without there" if name in without else "never did without: expect less there"
    kind, share = ("NaN or infinite", missing) if missing else ("0, as if nobody knew it,", zero)
    part = f"{share:.0%}" if share >= 0.01 else "less than 1%"
    return f"{name} is {kind} in {part} of the points: the model {hope}"


def _intensity(
    model: Described, summary: Summary, fill: dict[str, float]
) -> tuple[float | None, list[str]]:
    """The intensity that becomes 1: that of training, unless the file's are of another range."""
    scale = intensity_scale(model)
    if scale is None or "intensity" not in summary.arrays or "intensity" in fill:
        return scale, []
    values = summary.arrays["intensity"]
    values = values[np.isfinite(values)]
    # Two digits: another sample of the file would decide alike.
    top = float(f"{np.percentile(values, TOP):.2g}") if len(values) else 0.0
    if top > 0 and own_intensity(model):
        return top, []
    if not top > 0 or DIM <= top / scale <= BRIGHT:
        return scale, []
    remark = (
        f"intensities reach about {top:g}, those of training {scale:.3g}: brought to the same range"
    )
    return top, [remark] if "intensity" in model.config.features else []


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
