"""The point cloud every other part speaks of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from salanet.errors import DataError
from salanet.terminal import length

if TYPE_CHECKING:
    from salanet.io.crs import Crs

NO_LABEL = -1  # of points without any
MOST_NAMES, LONGEST_NAME = 1024, 100  # of codes, and in characters


@dataclass(eq=False, repr=False)
class PointCloud:
    """N points with named attributes, in the order of the file they came from.

    Attributes:
        xyz: float64 (N, 3), in the source's units and reference frame, offset included.
        rgb: uint8 (N, 3), or None.
        intensity: float32 (N,), as stored in the source, or None.
        label: int32 (N,), the source's own codes (ASPRS codes for LAS), or None.
        attributes: every further per-point array by name, each of length N, its dtype untouched.
        source: what the reader needs to write the same file again (headers, VLRs, raw records),
            opaque to everyone but the format's own writer; None for clouds made in memory.
        class_names: what codes of `label` are called, by code, where somebody said so; files
            carry them. Names are printable, of 1 to 100 characters, without blanks at the ends.
    """

    xyz: NDArray[np.float64]
    rgb: NDArray[np.uint8] | None = None
    intensity: NDArray[np.float32] | None = None
    label: NDArray[np.int32] | None = None
    attributes: dict[str, NDArray[Any]] = field(default_factory=dict)
    source: Any = None
    class_names: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.check()

    def check(self) -> None:
        """Bring every array to its type and length, or raise DataError.

        Runs when a cloud is made; call it again after assigning to a field.
        """
        self.xyz = np.ascontiguousarray(self.xyz, dtype=np.float64)
        if self.xyz.ndim != 2 or self.xyz.shape[1] != 3:
            raise DataError(f"coordinates must have shape (N, 3), not {self.xyz.shape}")
        for name, array in self.arrays().items():
            if np.shape(array)[:1] != (len(self.xyz),):
                count = np.shape(array)[0] if np.ndim(array) else "no"
                raise DataError(f"'{name}' has {count} values for {len(self.xyz)} points")
        if self.rgb is not None:
            self.rgb = _integers(self.rgb, "rgb", np.uint8, (len(self), 3))
        if self.intensity is not None:
            self.intensity = np.asarray(self.intensity, dtype=np.float32)
            if self.intensity.ndim != 1:
                raise DataError(f"'intensity' must be one a point, not {self.intensity.shape}")
        if self.label is not None:
            self.label = _integers(self.label, "label", np.int32, (len(self),))
        self.class_names = _names(self.class_names)

    def __len__(self) -> int:
        return len(self.xyz)

    def __repr__(self) -> str:
        """A few lines: points, bounds, reference system, arrays."""
        lines = [f"PointCloud of {len(self):,} points"]
        finite = self.xyz[np.isfinite(self.xyz).all(axis=1)]
        if len(finite):
            low, high = finite.min(axis=0), finite.max(axis=0)
            for axis, least, greatest in zip("xyz", low, high, strict=True):
                lines.append(f"  {axis} {length(least)} to {length(greatest)}")
        if self.crs is not None:
            lines.append(f"  in {self.crs.name}")
        found = [f"{n} {a.dtype}{_width(a)}" for n, a in self.arrays().items()]
        lines += [f"  {', '.join(found[i : i + 5])}" for i in range(0, min(len(found), 15), 5)]
        return "\n".join([*lines, "  …"] if len(found) > 15 else lines)

    def _repr_html_(self) -> str:
        """A table, for notebooks."""
        head, *lines = repr(self).splitlines()
        rows = [line.strip().partition(" ") for line in lines if line[2:4] in ("x ", "y ", "z ")]
        cells = [(axis, bounds) for axis, _, bounds in rows]
        cells += [(name, f"{array.dtype}{_width(array)}") for name, array in self.arrays().items()]
        if self.crs is not None:
            cells.insert(0, ("reference system", self.crs.name))
        body = "".join(f"<tr><th>{escape(a)}</th><td>{escape(b)}</td></tr>" for a, b in cells)
        return f"<table><caption>{escape(head)}</caption>{body}</table>"

    @property
    def crs(self) -> Crs | None:
        """The reference system of the coordinates, if the file names one (`salanet.io.crs`)."""
        found: Crs | None = getattr(self.source, "crs", None)
        return found

    @property
    def upright(self) -> bool:
        """Whether the file's format itself says that z points up, as LAS does."""
        return bool(getattr(self.source, "upright", False))

    @property
    def y_up(self) -> bool:
        """Whether the file's format itself says that y points up, as glTF does."""
        return bool(getattr(self.source, "y_up", False))

    @classmethod
    def of_arrays(
        cls,
        xyz: NDArray[Any],
        arrays: Mapping[str, NDArray[Any]],
        class_names: Mapping[int, str] | None = None,
    ) -> PointCloud:
        """From coordinates and all further arrays by name, as `arrays` gives them."""
        rest = dict(arrays)
        return cls(
            xyz,
            rgb=rest.pop("rgb", None),
            intensity=rest.pop("intensity", None),
            label=rest.pop("label", None),
            attributes=rest,
            class_names=dict(class_names or {}),
        )

    @classmethod
    def concat(cls, clouds: Sequence[PointCloud]) -> PointCloud:
        """The points of several clouds, one after the other, with the arrays that all have.

        Of names of codes the first counts, and of sources what the first says of any points, if all
        are in one reference system.
        """
        if not clouds:
            raise DataError("no clouds to put together")
        parts = [cloud.arrays() for cloud in clouds]
        common = [name for name in parts[0] if all(name in part for part in parts)]
        names: dict[int, str] = {}
        for cloud in reversed(clouds):
            names |= cloud.class_names
        found = cls.of_arrays(
            np.concatenate([cloud.xyz for cloud in clouds]),
            {name: np.concatenate([part[name] for part in parts]) for name in common},
            names,
        )
        first = clouds[0]
        if all(cloud.crs == first.crs for cloud in clouds):
            found.source = first.source_of_others()
        return found

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Every per-point array but the coordinates, by name; absent ones are left out.

        An attribute with the name of a field is no such field, and called NAME_value here.
        """
        named = {"rgb": self.rgb, "intensity": self.intensity, "label": self.label}
        found = {k: v for k, v in named.items() if v is not None}
        taken = {*named, *self.attributes}
        for name, array in self.attributes.items():
            free = name
            while free in named or (free != name and free in taken):
                free += "_value"
            found[free] = array
        return found

    def rows(self, chosen: NDArray[Any]) -> PointCloud:
        """The points that a mask (N,) or row numbers choose.

        Of their source what is true of any points stays: reference system, scales, records.
        """
        return PointCloud(
            self.xyz[chosen],
            rgb=None if self.rgb is None else self.rgb[chosen],
            intensity=None if self.intensity is None else self.intensity[chosen],
            label=None if self.label is None else self.label[chosen],
            attributes={name: array[chosen] for name, array in self.attributes.items()},
            source=self.source_of_others(),
            class_names=self.class_names,
        )

    def source_of_others(self) -> Any:
        """What the source says of any points; None if there is no such source."""
        without_points = getattr(self.source, "without_points", None)
        return None if without_points is None else without_points()

    def finite(self, where: str = "point cloud") -> NDArray[np.bool_]:
        """Which points (N,) have finite coordinates; DataError if none has."""
        found = np.asarray(np.isfinite(self.xyz).all(axis=1))
        if not found.any():
            what = f"none of its {len(self):,} points has finite coordinates"
            raise DataError(f"{where}: {what if len(self) else 'holds no points'}")
        return found

    def require_finite(self, where: str = "point cloud") -> None:
        """Raise DataError if the cloud is empty or a coordinate is NaN or infinite."""
        if len(self) == 0:
            raise DataError(f"{where}: holds no points")
        bad = ~np.isfinite(self.xyz).all(axis=1)
        if bad.any():
            first = int(np.argmax(bad))
            raise DataError(
                f"{where}: {int(bad.sum())} of {len(self)} points have NaN or infinite "
                f"coordinates (the first is point {first}: {self.xyz[first].tolist()}); "
                "remove them before segmenting"
            )


def _width(array: NDArray[Any]) -> str:
    return f" × {array.shape[1]}" if array.ndim == 2 else ""


def usable_names(pairs: Iterable[tuple[int, str]]) -> dict[int, str]:
    """Names by code that a cloud can have, of those that anybody may have written anywhere.

    What cannot be printed becomes a blank; without a name, and after the first of a code, a pair
    is left out. More than `MOST_NAMES` are hardly names of classes: none are taken.
    """
    found: dict[int, str] = {}
    few = list(islice(pairs, MOST_NAMES + 1))
    for code, text in few if len(few) <= MOST_NAMES else []:
        name = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        if name and abs(code) < 1 << 31:
            found.setdefault(int(code), name[:LONGEST_NAME].rstrip())
    return found


def _names(names: Any) -> dict[int, str]:
    """The names of codes by rising code, or DataError if one is none."""
    found = {int(code): str(name) for code, name in names.items()}
    usable = usable_names(found.items())
    for code, name in found.items():
        if usable.get(code) != name:
            raise DataError(
                f"{name[:LONGEST_NAME]!r} cannot be the name of the code {code}: codes are int32, "
                f"and up to {MOST_NAMES} names printable, with up to {LONGEST_NAME} characters"
            )
    return dict(sorted(usable.items()))


def _integers(array: Any, name: str, dtype: type, shape: tuple[int, ...]) -> NDArray[Any]:
    """`array` as `dtype`, or DataError if a value or the shape does not fit."""
    array = np.asarray(array)
    if array.dtype == dtype and array.shape == shape:
        known: NDArray[Any] = array
        return known
    limits = np.iinfo(dtype)
    if array.shape != shape or array.dtype.kind not in "iub":
        raise DataError(
            f"'{name}' must be {limits.dtype} of shape {shape}, not {array.dtype} of {array.shape}"
        )
    if array.size and (array.min() < limits.min or array.max() > limits.max):
        raise DataError(
            f"'{name}' holds {array.min()} to {array.max()}, outside {limits.min} to {limits.max}"
        )
    found: NDArray[Any] = array.astype(dtype)
    return found
