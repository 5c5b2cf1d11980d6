"""What the network sees of each point, by name.

| name                | channels | what                                                          |
|---------------------|----------|---------------------------------------------------------------|
| one                 | 1        | constant 1                                                    |
| rgb                 | 3        | colour, 0 to 1                                                |
| height              | 1        | metres above the scene's lowest point (its 0.5 percentile)    |
| z                   | 1        | height in the source's frame: the Z of the paper's ZRGB1      |
| xyz                 | 3        | the coordinates as given                                      |
| intensity           | 1        | intensity / `intensity_scale`, clipped to 0…2                 |
| returns             | 2        | return number / number of returns; number / 4, clipped to 1.5 |
| height_above_ground | 2        | height above the terrain / 0.5 m and / 3 m, clipped to -1…1   |
| height_above_lowest | 2        | the same above the lowest points within metres: no filter     |
| terrain_slope       | 1        | rise of the terrain per metre, clipped to 2                   |
| cell_size           | 1        | log2(cell size / 0.25 m), clipped to -4…3                     |

Heights, z among them, are in metres and taken *before* augmentation: callers hand over the heights
of the real world, because classes such as low and medium vegetation are defined by them. `xyz` is
whatever the caller passes, so augmented coordinates give augmented features. Heights above the
terrain (`salanet.sampling.ground`) saturate: a network that sees all of them learns how tall the
buildings and trees of its few training tiles are, which says little about other tiles.

Features of somebody's own are entered into `FEATURES`, which also holds what packages bring.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salanet.errors import ConfigError, DataError
from salanet.extensions import Registry
from salanet.scenes import Scene, lowest

Array = NDArray[Any]

CHANNELS = {
    "one": ("one",),
    "rgb": ("red", "green", "blue"),
    "height": ("height",),
    "z": ("z",),
    "xyz": ("x", "y", "z"),
    "intensity": ("intensity",),
    "returns": ("return ratio", "returns / 4"),
    "height_above_ground": ("height above ground, fine", "height above ground, coarse"),
    "height_above_lowest": ("height above lowest, fine", "height above lowest, coarse"),
    "terrain_slope": ("terrain slope",),
    "cell_size": ("cell size",),
}
NEEDS = {
    "rgb": ("rgb",),
    "intensity": ("intensity",),
    "returns": ("return_number", "number_of_returns"),
    "height_above_ground": ("height_above_ground",),
    "height_above_lowest": ("height_above_lowest",),
    "terrain_slope": ("terrain_slope",),
}
# What stands in for an array that a cloud lacks, in training as in use.
NEUTRAL = {"rgb": 0, "intensity": 0, "return_number": 1, "number_of_returns": 1}
INTENSITY_PERCENTILE = 95
INTENSITY_CLIP = 2.0
RETURNS_CLIP = 1.5
HEIGHT_SCALES = (0.5, 3.0)
STEEPEST = 2.0
USUAL_CELL = 0.25


@dataclass(frozen=True)
class Feature:
    """A feature of somebody's own.

    Attributes:
        compute: gives the channels, (N,) or (N, C), of N points; each row from its own row alone,
            as files pass in pieces. It gets arrays by name: xyz (N, 3), z (N,), and those it needs.
        channels: what each is called, C of them.
        needs: per-point arrays of the cloud, by name; of those in a cell it gets the mean.
    """

    compute: Callable[[Mapping[str, Array]], Array]
    channels: tuple[str, ...]
    needs: tuple[str, ...] = ()

    @property
    def origin(self) -> str:
        """The module of its function."""
        return self.compute.__module__


def _check(thing: Any) -> None:
    if not isinstance(thing, Feature) or not thing.channels:
        raise TypeError("it has to be a salanet.sampling.features.Feature with channels")


FEATURES: Registry[Feature] = Registry("feature", {}, _check)


def _channels_of(name: str) -> tuple[str, ...]:
    return CHANNELS[name] if name in CHANNELS else FEATURES[name].channels


def _needs_of(name: str) -> tuple[str, ...]:
    return NEEDS.get(name, ()) if name in CHANNELS else FEATURES[name].needs


def known() -> list[str]:
    """The names of all features."""
    return [*CHANNELS, *(name for name in FEATURES if name not in CHANNELS)]


def normalise_names(names: Iterable[str]) -> list[str]:
    """The names with hyphens as underscores; ConfigError if one is unknown, repeated or none."""
    found = [str(name).strip().replace("-", "_") for name in names]
    for name in found:
        if name not in CHANNELS and name not in FEATURES:
            raise ConfigError(f"unknown feature '{name}'; there are {', '.join(known())}")
        if found.count(name) > 1:
            raise ConfigError(f"feature '{name}' is named twice")
    if not found:
        raise ConfigError(f"no input features; choose from {', '.join(known())}")
    return found


def width(names: Iterable[str]) -> int:
    """The number of channels the named features have together."""
    return sum(len(_channels_of(name)) for name in normalise_names(names))


def channels(names: Iterable[str]) -> list[str]:
    """What each channel of the named features is called."""
    return [channel for name in normalise_names(names) for channel in _channels_of(name)]


def required(names: Iterable[str]) -> list[str]:
    """The per-point arrays the named features are made from, besides the coordinates."""
    return [array for name in normalise_names(names) for array in _needs_of(name)]


def usable(name: str, array: Array) -> bool:
    """Whether features can be made of an array: one number a point, three where it is colours."""
    return array.dtype.kind in "biuf" and array.shape[1:] == ((3,) if name == "rgb" else ())


def compute(
    names: Sequence[str],
    *,
    xyz: Array,
    rgb: Array | None = None,
    intensity: Array | None = None,
    height: Array | None = None,
    z: Array | None = None,
    intensity_scale: float | None = None,
    cell_size: float | Array | None = None,
    where: str = "the point cloud",
    **attributes: Array | None,
) -> NDArray[np.float32]:
    """The input features (N, C) float32, channels in the order of `names`.

    Args:
        names: features of the table above.
        xyz: (N, 3) coordinates.
        rgb: (N, 3) colours 0…255, any dtype.
        intensity: (N,) as the source stores it.
        height: (N,) metres above the scene's lowest point; by default taken from `xyz`, which is
            right only for a whole scene that has not been augmented.
        z: (N,) in the source's frame; by default that of `xyz`.
        intensity_scale: the intensity that becomes 1 (see `intensity_scale_of`); needed for
            the feature "intensity".
        cell_size: in metres; needed for the feature of that name.
        where: what to call the cloud in errors.
        attributes: further arrays of N rows: return_number, number_of_returns,
            height_above_ground; ones that no feature needs are ignored.

    Raises:
        ConfigError: unknown name, or intensity without a scale.
        DataError: an array is missing; names the feature, the array and what there is.
    """
    names = normalise_names(names)
    given = {"rgb": rgb, "intensity": intensity, **attributes}
    arrays = {name: np.asarray(array) for name, array in given.items() if array is not None}
    require(names, arrays, where)
    if "intensity" in names and not intensity_scale:
        raise ConfigError("the feature 'intensity' needs a positive intensity_scale")
    if "cell_size" in names and not cell_size:
        raise ConfigError("the feature 'cell_size' needs the size of the cells")
    if "height" in names and height is None:
        height = xyz[:, 2] - lowest(xyz[:, 2])
    z = xyz[:, 2] if z is None else z
    arrays |= {
        "cell_size": np.asarray(cell_size or USUAL_CELL),
        "xyz": np.asarray(xyz),
        "height": np.asarray(height),
        "z": np.asarray(z),
    }
    out = np.empty((len(xyz), width(names)), np.float32)
    column = 0
    for name in names:
        stop = column + len(_channels_of(name))
        values = _channels(name, arrays, intensity_scale or 1.0)
        out[:, column:stop] = values.reshape(len(xyz), -1) if len(xyz) else 0
        column = stop
    return out


def require(names: Iterable[str], available: Iterable[str], where: str) -> None:
    """Raise DataError if an array that a feature needs is not among `available`."""
    available = sorted(available)
    for name in normalise_names(names):
        missing = [array for array in _needs_of(name) if array not in available]
        if missing:
            has = ", ".join(available) or "coordinates only"
            raise DataError(
                f"{where}: the feature '{name}' needs '{missing[0]}', which it lacks (it has "
                f"{has}); use a model without this feature or add the attribute"
            )


def gather(scene: Scene, rows: NDArray[np.integer] | slice = slice(None)) -> dict[str, Array]:
    """The arrays `compute` takes, for some rows of a scene: ``compute(names, **gather(scene))``.

    Holds xyz (relative to the scene's offset), rgb, height, z, and every further array by name.
    """
    arrays: dict[str, Array] = {"xyz": scene.coord[rows]}
    if scene.color is not None:
        arrays["rgb"] = scene.color[rows]
    arrays |= {name: array[rows] for name, array in scene.arrays.items()}
    arrays["height"] = arrays["xyz"][:, 2] - np.float32(scene.floor)
    arrays["z"] = arrays["xyz"][:, 2] + np.float32(scene.offset[2])
    return arrays


def available(scene: Scene) -> list[str]:
    """Names of the arrays of a scene that features may need."""
    return [*(["rgb"] if scene.color is not None else []), *scene.arrays]


def intensity_scale_of(intensities: Iterable[Array]) -> float:
    """The scale of a training set's intensities: the mean of each scene's 95 % percentile, or 1."""
    tops = [
        float(np.percentile(array, INTENSITY_PERCENTILE)) for array in intensities if len(array)
    ]
    scale = float(np.mean(tops)) if tops else 1.0
    return scale if scale > 0 else 1.0


def _channels(name: str, arrays: dict[str, Array], intensity_scale: float) -> Array:
    if name == "one":
        return np.ones(len(arrays["xyz"]), np.float32)
    if name == "rgb":
        return arrays["rgb"] / np.float32(255)
    if name == "intensity":
        return np.clip(arrays["intensity"] / intensity_scale, 0, INTENSITY_CLIP)
    if name == "returns":
        # Writers that do not know store 0; that is an only return.
        count = np.maximum(arrays["number_of_returns"].astype(np.float32), 1)
        ratio = np.minimum(np.maximum(arrays["return_number"], 1) / count, 1)
        return np.stack([ratio, np.minimum(count / 4, RETURNS_CLIP)], axis=1)
    if name == "cell_size":
        octave = np.clip(np.log2(arrays[name] / USUAL_CELL), -4, 3)
        return np.full(len(arrays["xyz"]), octave, np.float32)
    if name == "terrain_slope":
        return np.clip(arrays[name], 0, STEEPEST)
    if name in ("height_above_ground", "height_above_lowest"):
        return np.clip(arrays[name][:, None] / np.array(HEIGHT_SCALES, np.float32), -1, 1)
    if name in FEATURES:
        return _computed(name, FEATURES[name], arrays)
    return arrays[name]


def _computed(name: str, feature: Feature, arrays: dict[str, Array]) -> Array:
    """The channels (N, C) of a feature of somebody's own."""
    count, wanted = len(arrays["xyz"]), ("xyz", "z", *feature.needs)
    values = np.asarray(feature.compute({key: arrays[key] for key in wanted}), np.float32)
    channels = len(feature.channels)
    if values.shape != (count, channels) and (values.shape, channels) != ((count,), 1):
        wrong = f"gave an array of {values.shape}, not {(count, channels)}"
        raise ConfigError(f"the feature '{name}' {wrong}")
    return values
