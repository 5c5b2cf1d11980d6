"""The prepared scene on disk: a folder of memory-mapped arrays, in the layout Pointcept uses.

    scene/
      coord.npy     float32 (N, 3), relative to the offset
      color.npy     uint8 (N, 3), optional
      segment.npy   int16 (N,), class index, -1 = ignored; optional. With `unions` in scene.json,
                    numbers from the count of classes on are points of one of several classes
      NAME.npy      any further array of N rows: intensity.npy, height_above_ground.npy, …
      raw_NAME.npy  arrays of the points before grid subsampling: raw_segment.npy (class index of
                    each), raw_to_cell.npy (the row of `coord` each fell into)
      scene.json    offset, grid, classes, provenance
      partitions/   parts of the points, for networks that see those (`sampling.scene_partition`)

The offset is a hair below a multiple of 16 grid cells (`BELOW`), so the cells ``floor(p / cell)``
of neighbouring scenes agree at all five levels of a pyramid (cells of 1, 2, 4, 8, 16 grid sizes)
although each scene keeps its coordinates small enough for float32.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b, file_digest
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from salanet.errors import DataError, FileError
from salanet.io.atomic import atomic_folder, reason
from salanet.io.limits import check_npy
from salanet.io.walk import files_below
from salanet.scene_header import FORMAT, HEADER, read_header

COARSEST = 16  # cells of the coarsest pyramid level, in grid cells
# Cells begin this share of their size below its multiples. Coordinates come in whole centimetres or
# so: on the very border of a cell, the rounding of an offset would tip them to either side.
BELOW = 1e-3
RAW = "raw_"
SEAL = "seal"  # of the rest of the header
FLOOR_PERCENTILE = 0.5


def choose_offset(xyz: NDArray[np.floating], grid: float) -> NDArray[np.float64]:
    """The corner (3,) of the coarsest cell that holds the cloud's minimum: `BELOW` multiples of 16.

    `xyz` is (N, 3) with N >= 1, finite. Subtract it in float64 before rounding to float32.
    """
    step, below = COARSEST * grid, BELOW * grid
    corner: NDArray[np.float64] = (
        np.floor((np.asarray(xyz, np.float64).min(axis=0) + below) / step) * step - below
    )
    return corner


@dataclass(frozen=True)
class Scene:
    """N points ready for a network, their arrays memory-mapped from a folder.

    Attributes:
        folder: where it lies.
        coord: float32 (N, 3), relative to `offset`.
        offset: float64 (3,); ``coord + offset`` are the source's coordinates.
        color: uint8 (N, 3), or None.
        segment: int16 (N,) class index, -1 = ignored, or None; see `unions`.
        arrays: further arrays of N rows by name.
        raw: arrays over the points before subsampling, by name without ``raw_`` (``segment``,
            ``to_cell``); empty when none were kept.
        classes: class names in index order; empty where scene.json is absent.
        grid: cell size of the subsampling in the source's units, or None if unknown.
        meta: everything scene.json holds.
    """

    folder: Path
    coord: NDArray[np.float32]
    offset: NDArray[np.float64]
    color: NDArray[np.uint8] | None = None
    segment: NDArray[np.int16] | None = None
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)
    raw: dict[str, NDArray[Any]] = field(default_factory=dict)
    classes: list[str] = field(default_factory=list)
    grid: float | None = None
    meta: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.coord)

    @property
    def unions(self) -> list[list[int]]:
        """Class indices of each union: label `len(classes) + k` is one of those of union k."""
        return list(self.meta.get("unions", []))

    def exact(self, labels: NDArray[np.integer]) -> NDArray[np.integer]:
        """The labels with unions ignored (-1): what can be counted class by class."""
        return np.where(labels < len(self.classes), labels, -1) if self.unions else labels

    @property
    def name(self) -> str:
        return self.folder.name

    @cached_property
    def floor(self) -> float:
        """The scene's lowest z in the frame of `coord`: the 0.5 percentile, deaf to outliers."""
        return lowest(self.coord[:, 2])

    @classmethod
    def open(cls, folder: str | Path) -> Scene:
        """Map a prepared scene, or a Pointcept folder (no scene.json), into memory.

        Raises FileError if the folder is no scene, or its arrays disagree with each other.
        """
        folder = Path(folder)
        files = {path.stem: path for path in sorted(folder.glob("*.npy"))}
        if "coord" not in files:
            raise FileError(folder, "is not a prepared scene (no coord.npy); run `salanet prepare`")
        meta = read_header(folder)
        arrays = {name: _map(path) for name, path in files.items()}
        raw = {n.removeprefix(RAW): arrays.pop(n) for n in list(arrays) if n.startswith(RAW)}
        coord, offset = _narrow(arrays.pop("coord"), meta)
        if coord.ndim != 2 or coord.shape[1] != 3:
            raise FileError(files["coord"], f"must hold (N, 3) coordinates, not {coord.shape}")
        for name, array in arrays.items():
            if len(array) != len(coord):
                raise FileError(
                    files[name], f"holds {len(array)} rows, but coord.npy has {len(coord)}"
                )
        color = arrays.pop("color", None)
        if color is not None and color.shape != coord.shape:
            raise FileError(files["color"], f"must hold (N, 3) colours, not {color.shape}")
        own = "segment" if "segment" in arrays else "segment20"  # Pointcept's ScanNet folders
        segment = arrays.pop("segment", arrays.get(own))
        if segment is not None:
            segment = _classes(files[own], segment, len(coord))
        scene = cls(
            folder=folder,
            coord=coord,
            offset=offset,
            color=None if color is None else _as(color, np.uint8),
            segment=segment,
            arrays=arrays,
            raw=raw,
            classes=list(meta.get("classes", [])),
            grid=meta.get("grid"),
            meta=meta,
        )
        scene._check_segment()
        return scene

    def _check_segment(self) -> None:
        if self.segment is None or not self.classes or not len(self.segment):
            return
        low, high = int(self.segment.min()), int(self.segment.max())
        if low < -1 or high >= len(self.classes) + len(self.unions):
            raise FileError(
                self.folder / "segment.npy",
                f"holds class {low if low < -1 else high}; scene.json names "
                f"{len(self.classes)} classes (0 to {len(self.classes) - 1}, -1 = ignored)",
            )

    @staticmethod
    def write(
        folder: str | Path,
        *,
        coord: ArrayLike,
        offset: ArrayLike,
        classes: Sequence[str],
        grid: float,
        color: ArrayLike | None = None,
        segment: ArrayLike | None = None,
        arrays: Mapping[str, ArrayLike] | None = None,
        raw: Mapping[str, ArrayLike] | None = None,
        meta: Mapping[str, Any] | None = None,
    ) -> Scene:
        """Write a scene and open it; it appears under its name only when complete.

        `coord` is relative to `offset` (see `choose_offset`); `meta` is JSON beside offset, grid
        and classes. An existing scene of that name is replaced.
        Raises FileError if the folder cannot be written.
        """
        folder = Path(folder)
        named = {"coord": np.asarray(coord, np.float32)}
        if color is not None:
            named["color"] = np.asarray(color, np.uint8)
        if segment is not None:
            named["segment"] = np.asarray(segment, np.int16)
        named |= {name: np.asarray(array) for name, array in (arrays or {}).items()}
        for name, array in named.items():
            if len(array) != len(named["coord"]):
                raise DataError(
                    f"'{name}' has {len(array)} rows for {len(named['coord'])} points of {folder}"
                )
        named |= {RAW + name: np.asarray(array) for name, array in (raw or {}).items()}
        header = dict(meta or {}) | {
            "format": FORMAT,
            "offset": np.asarray(offset, np.float64).tolist(),
            "grid": float(grid),
            "classes": list(classes),
        }
        write_folder(folder, named, header)
        return Scene.open(folder)


def find_scenes(root: str | Path, split: str | None = None) -> list[Path]:
    """The scene folders below `root` (below ``root/split``), sorted by path.

    Raises FileError if there are none, listing the splits that do exist.
    """
    root = Path(root)
    base = root / split if split else root
    found = sorted(path.parent for path in files_below(base) if path.name == "coord.npy")
    if not found:
        others = sorted({p.relative_to(root).parts[0] for p in root.glob("*/*/coord.npy")})
        hint = f"; it has {', '.join(others)}" if others else "; run `salanet prepare` first"
        raise FileError(base, f"holds no prepared scenes{hint}")
    return found


def open_scenes(root: str | Path, split: str | Sequence[str] | None = None) -> list[Scene]:
    """Open every scene of a split, or of several, and check that they agree on classes and grid.

    Raises FileError if there are none in one of them, or a scene differs from the first.
    """
    splits = [split] if split is None or isinstance(split, str) else split
    scenes = [Scene.open(folder) for one in splits for folder in find_scenes(root, one)]
    check_alike(scenes)
    return scenes


def check_alike(scenes: Iterable[Scene], names: Iterable[str] = ("classes", "grid")) -> None:
    """Raise FileError if two scenes differ in their classes or their grid, or in one of these."""
    scenes = list(scenes)
    for scene in scenes[1:]:
        for what in names:
            mine, first = getattr(scene, what), getattr(scenes[0], what)
            if mine != first:
                raise FileError(
                    scene.folder,
                    f"has {what} {mine}, but {scenes[0].folder} has {first}; prepare them together",
                )


def lowest(z: NDArray[np.floating]) -> float:
    """The 0.5 percentile of heights (N,); 0 for none."""
    return float(np.percentile(z, FLOOR_PERCENTILE)) if len(z) else 0.0


def _map(path: Path) -> NDArray[Any]:
    try:
        with path.open("rb") as file:
            check_npy(path, file)
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
        if array.dtype.kind not in "biuf" or not array.ndim:
            raise FileError(path, f"must hold rows of numbers, not {array.dtype} {array.shape}")
        return array
    except FileError:
        raise
    except Exception as error:  # whatever a damaged header makes NumPy stumble over
        why = " ".join(str(error).split())[:200]
        raise FileError(path, f"is not a readable NumPy array ({why})") from error


def _classes(path: Path, array: NDArray[Any], count: int) -> NDArray[np.int16]:
    """Class indices int16 (N,) from the array of a file."""
    if array.size != count or array.dtype.kind not in "biu":
        raise FileError(path, f"must hold a class index per point, not {array.dtype} {array.shape}")
    if array.dtype != np.int16 and count and not -1 <= array.min() <= array.max() < 2**15:
        raise FileError(path, f"holds classes {array.min()} to {array.max()}; they begin at 0")
    return _as(array.reshape(-1), np.int16)


def _as(array: NDArray[Any], dtype: type) -> NDArray[Any]:
    return array if array.dtype == dtype else array.astype(dtype)


def _narrow(
    coord: NDArray[Any], meta: Mapping[str, Any]
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Coordinates as float32 and their offset; wide ones of foreign folders move to the origin."""
    offset = np.asarray(meta.get("offset", (0.0, 0.0, 0.0)), np.float64)
    if coord.dtype == np.float64 and coord.ndim == 2 and len(coord):
        shift = np.floor(coord.min(axis=0))
        return (coord - shift).astype(np.float32), offset + shift
    return _as(coord, np.float32), offset


def _replaceable(folder: Path, header: str) -> bool:
    """Whether nothing of anybody else's is lost if the folder goes."""
    return folder.is_dir() and ((folder / header).is_file() or not any(folder.iterdir()))


def write_folder(
    folder: Path, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any], header: str = HEADER
) -> None:
    """Write ``ARRAY.npy`` files and a JSON file into a folder that appears only when complete.

    One that it has written before, or that is empty, is replaced. Raises FileError if there is
    something else in its place, or it cannot be written.
    """
    if folder.exists() and not _replaceable(folder, header):
        raise FileError(folder, "exists, and is not a prepared scene; move it, or write elsewhere")
    try:
        with atomic_folder(folder) as new:
            for name, array in arrays.items():
                np.save(new / f"{name}.npy", array, allow_pickle=False)
            digests = {path.name: _digest(path) for path in sorted(new.iterdir())}
            sealed = json.loads(json.dumps(dict(meta) | {"digests": digests}))  # as it is read
            text = json.dumps(sealed | {SEAL: _seal(sealed)}, indent=1, ensure_ascii=False)
            (new / header).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        why = reason(error, folder)
        raise FileError(folder, f"cannot be written ({why})") from error


def intact(folder: Path, header: str = HEADER) -> dict[str, Any] | None:
    """What the header says of a folder that is as `write_folder` left it, byte for byte; or None.

    All of it is read, so this takes its time.
    """
    try:
        meta = json.loads((folder / header).read_text(encoding="utf-8"))
        if meta.pop(SEAL) != _seal(meta):
            return None
        sound = all(_digest(folder / name) == known for name, known in meta["digests"].items())
    except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError):
        return None
    return dict(meta) if sound else None


def _seal(meta: Mapping[str, Any]) -> str:
    """A digest of a header, whatever the order of its keys."""
    return blake2b(json.dumps(meta, sort_keys=True).encode(), digest_size=16).hexdigest()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "blake2b").hexdigest()
