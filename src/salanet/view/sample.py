"""As many points of a file as can be shown, picked evenly; the file may be larger than memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salanet import io
from salanet.adapt.upright import turned
from salanet.cloud import PointCloud
from salanet.company import Company
from salanet.errors import ConfigError, FileError
from salanet.io.crs import Crs
from salanet.io.las.asprs import contradictions
from salanet.io.stream import open_stream
from salanet.io.unchanged import require_unchanged, states
from salanet.sampling.surface import spread_over_faces
from salanet.scenes import Scene
from salanet.view.colours import KNOWN, asprs

ON_FACES = 500_000  # points shown of a mesh beside its vertices
AT_ONCE = 1 << 20  # points in memory at once of a file that can be read in pieces
WANTED = {"rgb", "intensity", "label", "confidence"}
LAS = (".las", ".laz")


@dataclass
class Sample:
    """Some of a cloud's points, in its order.

    Attributes:
        name: what it is called on the page.
        total: how many points the cloud has.
        xyz: float64 (N, 3), finite, in the file's own axes and units; strays are left out.
        rgb: uint8 (N, 3), or None.
        intensity, confidence: float32 (N,), or None.
        label, truth: int32 (N,) codes, or None; a negative truth is unknown.
        further: (N,) numbers by the names of attributes, where they are not all the same.
        names: names of codes that the file itself gives.
        crs: the file's reference system, if it names one.
        upright: the format itself says that z points up.
        y_up, metric: the format itself says that y points up, that coordinates are metres.
        up: what points up in the file, "z", "-z", "y" or "-y" (see `salanet.view.frame`).
        unit: metres that a unit of the coordinates is long.
        company: of these points and the strays that were left out; None if nobody looked.
    """

    name: str
    total: int
    xyz: NDArray[np.float64]
    rgb: NDArray[np.uint8] | None = None
    intensity: NDArray[np.float32] | None = None
    label: NDArray[np.int32] | None = None
    confidence: NDArray[np.float32] | None = None
    truth: NDArray[np.int32] | None = None
    further: dict[str, NDArray[Any]] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)
    crs: Crs | None = None
    upright: bool = False
    y_up: bool = False
    metric: bool = False
    up: str = "z"
    unit: float = 1.0
    company: Company | None = None

    @property
    def drawn(self) -> NDArray[np.float64]:
        """The coordinates (N, 3) with z up, still in the file's units."""
        return turned(self.xyz, self.up)

    def __len__(self) -> int:
        return len(self.xyz)

    @classmethod
    def of(
        cls,
        cloud: PointCloud,
        name: str,
        *,
        limit: int | None = None,
        truth: NDArray[np.integer] | None = None,
    ) -> Sample:
        """Of a cloud in memory: all of it, or `limit` points; `truth` has a code for each point."""
        made = _of_rows(cloud, name, truth)
        if limit is not None and limit < len(cloud):
            made = made.rows(picked(len(cloud), limit))
        return _varying(made.rows(_finite(made.xyz)).without_strays())

    def rows(self, keep: NDArray[Any]) -> Sample:
        """The points that a mask or indices choose."""
        arrays = {n: a[keep] for n, a in self._arrays().items()}
        further = {name: values[keep] for name, values in self.further.items()}
        return replace(self, further=further, **arrays)

    def without_strays(self) -> Sample:
        """The points that do not lie far from all others, which one picture cannot show."""
        company = Company.of(self.xyz)
        kept = self if not company.count else self.rows(~company.strays(self.xyz))
        return replace(kept, company=company)

    def _arrays(self) -> dict[str, NDArray[Any]]:
        found = {n: getattr(self, n) for n in ("xyz", *VALUES)}
        return {name: array for name, array in found.items() if array is not None}


VALUES = ("rgb", "intensity", "label", "confidence", "truth")


def picked(total: int, limit: int) -> NDArray[np.int64]:
    """`limit` of the numbers below `total`, rising: one from each of as many equal stretches.

    Where in its stretch each lies is hashed from the stretch's number: the same every time,
    without the pattern that equal steps would lay over a scan's lines.
    """
    if limit >= total:
        return np.arange(total)
    number = np.arange(limit, dtype=np.uint64)
    mixed = (number + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0xC2B2AE3D27D4EB4F)
    shift = (mixed >> np.uint64(11)).astype(np.float64) / (1 << 53)
    return np.minimum(((number + shift) * (total / limit)).astype(np.int64), total - 1)


def load(
    path: Path,
    limit: int,
    *,
    truth: Path | None = None,
    columns: str | None = None,
    vertices: bool = False,
) -> Sample:
    """A sample of a file or prepared scene; LAS and LAZ are read in pieces.

    Args:
        limit: most points to keep.
        truth: a file of the same points in the same order, whose labels are the truth.
        vertices: of meshes, show the vertices alone, not points all over their faces.

    Raises:
        FileError: a file that cannot be read, has no finite point, or `truth` has other points or
            no labels.
    """
    if limit < 1:
        raise ConfigError(f"at least one point is needed, not {limit}")
    sample = _load(path, limit, columns, vertices)
    if truth is not None:
        sample = with_truth(sample, _load(truth, limit, columns, vertices), truth)
    finite = _finite(sample.xyz)
    if not finite.any():
        raise FileError(path, "no point has finite coordinates")
    return _varying((sample if finite.all() else sample.rows(finite)).without_strays())


def with_truth(sample: Sample, other: Sample, where: Path) -> Sample:
    """The sample with another one's labels as its truth.

    Raises FileError if these are not the same points, or there are no labels.
    """
    if other.label is None:
        raise FileError(where, "has no labels to take for the truth")
    if other.total != sample.total:
        raise FileError(
            where, f"has {other.total:,} points, {sample.name} has {sample.total:,}: not the same"
        )
    apart = float(np.nanmax(np.abs(other.xyz - sample.xyz), initial=0))
    reach = float(np.nanmax(sample.xyz.max(axis=0) - sample.xyz.min(axis=0)))
    if apart > max(0.01, 1e-5 * reach):  # formats round coordinates differently
        raise FileError(where, f"has its points in another order or place than {sample.name}")
    return replace(sample, truth=other.label, names=other.names | sample.names)


def together(samples: Sequence[Sample], name: str) -> Sample:
    """Several as one, such as neighbouring tiles, with the values that all of them have."""
    shared = [n for n in VALUES if all(getattr(s, n) is not None for s in samples)]
    arrays: dict[str, Any] = {
        n: np.concatenate([getattr(s, n) for s in samples]) for n in ("xyz", *shared)
    }
    names = {code: text for sample in samples for code, text in sample.names.items()}
    first = samples[0]
    alike = [n for n in first.further if all(n in s.further for s in samples)]
    further = {n: np.concatenate([s.further[n] for s in samples]) for n in alike}
    about: dict[str, Any] = {
        n: getattr(first, n) for n in ("crs", "upright", "y_up", "metric", "up", "unit")
    }
    return Sample(
        name, sum(s.total for s in samples), names=names, further=further, **arrays, **about
    )


def _finite(xyz: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray(np.isfinite(xyz).all(axis=1))


def _load(path: Path, limit: int, columns: str | None, vertices: bool) -> Sample:
    if (path / "coord.npy").is_file():
        return _of_scene(Scene.open(path), limit)
    if columns is None and path.suffix.lower() in LAS and path.is_file() and path.stat().st_size:
        return _of_las(path, limit)
    cloud = io.read(path, columns=columns)
    further = min(limit - len(cloud), ON_FACES)
    if not vertices and further > 0:
        cloud = spread_over_faces(cloud, further, path)
    made = _of_rows(cloud, path.name)
    return made.rows(picked(len(cloud), limit)) if limit < len(cloud) else made


def _varying(sample: Sample) -> Sample:
    """The sample without attributes that are the same at all of its points."""
    further = {n: v for n, v in sample.further.items() if len(v) and (v != v[0]).any()}
    return replace(sample, further=further)


def _of_las(path: Path, limit: int) -> Sample:
    before = states([path])
    stream = open_stream(path, path)
    assert stream is not None
    rows = picked(stream.count, limit)
    pieces = [
        _of_rows(cloud, path.name).rows(rows[start:stop] - first)
        for cloud, first, start, stop in _pieces(stream, rows, {*WANTED, *stream.names})
    ]
    require_unchanged(before)
    made = together(pieces, path.name)
    own = "classification" in stream.names  # then the labels are a dimension of their own
    if not own and made.label is not None and not contradictions(made.names):
        made.names = asprs(np.unique(made.label).tolist()) | made.names
    return replace(made, total=stream.count)


def _pieces(
    stream: Any, rows: NDArray[np.int64], keep: set[str]
) -> Iterator[tuple[PointCloud, int, int, int]]:
    """Each piece of the file, its first point, and which of `rows` lie in it."""
    first = 0
    for cloud in stream.clouds(AT_ONCE, keep):
        start, stop = np.searchsorted(rows, (first, first + len(cloud))).tolist()
        yield cloud, first, start, stop
        first += len(cloud)


def _of_rows(cloud: PointCloud, name: str, truth: NDArray[np.integer] | None = None) -> Sample:
    shares = [v for n, v in cloud.attributes.items() if n.startswith("p_") and v.dtype.kind == "f"]
    confidence = cloud.attributes.get("confidence")
    if (confidence is None or confidence.dtype.kind != "f") and shares:
        confidence = np.max(shares, axis=0)
    return Sample(
        name=name,
        total=len(cloud),
        xyz=cloud.xyz,
        rgb=cloud.rgb,
        intensity=cloud.intensity,
        label=cloud.label,
        confidence=None if confidence is None else confidence.astype(np.float32),
        truth=None if truth is None else np.asarray(truth, np.int32),
        names=dict(cloud.class_names),
        crs=cloud.crs,
        upright=cloud.upright,
        y_up=cloud.y_up,
        metric=bool(getattr(cloud.source, "metric", False)),
        further={n: v for n, v in cloud.attributes.items() if _shown(n, v)},
    )


def _shown(name: str, values: NDArray[Any]) -> bool:
    """Whether points can be coloured by an attribute, beside what has a place of its own."""
    return values.ndim == 1 and values.dtype.kind in "buif" and name not in KNOWN


def _of_scene(scene: Scene, limit: int) -> Sample:
    rows = picked(len(scene), limit)
    intensity = scene.arrays.get("intensity")
    return Sample(
        name=scene.name,
        total=len(scene),
        xyz=scene.coord[rows].astype(np.float64) + scene.offset,
        rgb=None if scene.color is None else np.asarray(scene.color[rows]),
        intensity=None if intensity is None else np.asarray(intensity[rows], np.float32).ravel(),
        label=None if scene.segment is None else scene.segment[rows].astype(np.int32),
        names=dict(enumerate(scene.classes)),
    )
