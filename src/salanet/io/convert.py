"""From one format to another, and what got lost on the way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from salanet import io
from salanet.cloud import PointCloud
from salanet.io.atomic import protect
from salanet.io.crs import Crs
from salanet.io.describe import meanings, remarks
from salanet.io.faces import FACES, has_faces
from salanet.io.las import binary, copc, lookup, region
from salanet.io.las.asprs import is_standard
from salanet.io.las.blank import places
from salanet.io.las.clouds import LasSource, stored_colours
from salanet.io.las.octree import Bounds

TOLERANCE = 1e-6  # in the files' units: what adding an offset may round
BESIDE = "the faces, and what else is beside its points, are not kept"
DESCRIBED = {binary.LASZIP, (b"LASF_Spec", 4), lookup.STANDARD, lookup.OURS}


def convert(
    source: str | Path,
    target: str | Path,
    *,
    columns: str | None = None,
    scan: int | None = None,
    bounds: Bounds | None = None,
    resolution: float | None = None,
) -> list[str]:
    """Write the points of one file as another; the suffixes choose the formats.

    The new file is read back and compared, so what the remarks leave out has arrived.

    Args:
        source, target: the files; an existing target is replaced at the end.
        columns, scan: as for `salanet.read`.
        bounds, resolution: which part of a COPC file (`salanet.io.las.region.read_part`).

    Returns:
        What the new file does not hold as the old one does, one line each.

    Raises:
        FileError: a file cannot be read or written, or both are the same.
        DataError: values that the new format cannot hold at all.
    """
    source, target = Path(source), Path(target)
    io.require_writable(target, source)
    protect(target, [source])
    if bounds is None and resolution is None:
        cloud = io.read(source, columns=columns, scan=scan)
    else:
        cloud = region.read_part(source, bounds, resolution)
    said = [*remarks(cloud), *io.write(target, _named(cloud, target))]
    back = io.read(target)
    if copc.OTHER_ORDER in said:
        cloud, back = _sorted(cloud, back.source.file), _sorted(back, back.source.file)
    lost = [r for r in losses(cloud, back) if not any(r.split("' ")[0] + "'" in s for s in said)]
    return [*said, *lost]


def _sorted(cloud: PointCloud, file: binary.LasFile) -> PointCloud:
    """The cloud in an order that depends on nothing but its points, as finely as a LAS has them."""
    with np.errstate(over="ignore"):
        steps = np.rint((cloud.xyz - file.get(binary.OFFSETS)) / file.get(binary.SCALES))
    arrays = [*cloud.arrays().values(), steps]
    columns = [column for array in arrays for column in array.reshape(len(cloud), -1).T]
    return replace(cloud.rows(np.lexsort(columns)), source=cloud.source)


def _named(cloud: PointCloud, target: Path) -> PointCloud:
    """The cloud with the standard's names for codes, where its new format does not imply them."""
    if cloud.label is None or target.suffix.lower() in (".las", ".laz"):
        return cloud
    return replace(cloud, class_names=meanings(cloud, np.unique(cloud.label).tolist()))


def scan_target(target: Path, number: int) -> Path:
    """The file that one scan of several goes to when they are kept apart."""
    return target.with_name(f"{target.stem}.scan{number}{target.suffix}")


def losses(before: PointCloud, after: PointCloud) -> list[str]:
    """What the second cloud, read from a file, does not hold as the first did.

    Points that the second, a LAS, has no place for are left out of the comparison.
    """
    found = []
    if len(after) < len(before):
        before = replace(before.rows(places(before)), source=before.source)
    with np.errstate(invalid="ignore"):
        moved = np.nanmax(np.abs(after.xyz - before.xyz), initial=0)
    if moved > TOLERANCE:
        found.append(f"coordinates are rounded, by {moved:.2g} at most")
    old, new = before.arrays(), after.arrays()
    for name, array in old.items():
        flat = array.reshape(len(array), -1)
        single = "_".join(name.split())
        parts = [new.get(f"{single}_{i}") for i in range(flat.shape[1])]
        again = new.get(name, new.get(single))
        if again is None and all(part is not None for part in parts):
            again = np.stack([np.asarray(part) for part in parts], axis=1)
        if again is None:
            found.append(f"'{name}' is not kept under that name")
        elif not _equal(flat, again.reshape(len(again), -1)):
            found.append(f"'{name}' lost digits: {array.dtype} became {again.dtype}")
    if before.class_names and before.class_names != after.class_names:
        implied = type(after.source) is LasSource and is_standard(before.class_names)
        found += [] if implied else ["the names of the classes are not kept"]
    return found + _lost_beside(before.source, after.source)


def unkept_beside(cloud: PointCloud, to: Path) -> list[str]:
    """What a file of another format does not hold of what the cloud's has beside its points.

    Known before it is written; `salanet.io.faces.unkept` says what becomes of the faces of a mesh.
    """
    source, module = cloud.source, f"salanet.io.{io.FORMATS[to.suffix.lower()]}"
    if any(kind.__module__ == module for kind in type(source).__mro__):
        return []  # its own format, which keeps all of it
    found = _lost_beside(source, None)
    if has_faces(cloud) and BESIDE in found:
        found.remove(BESIDE)
        elements = {line.split()[1] for line in source.header if line.startswith("element ")}
        if elements - {source.element, FACES}:
            found.append("what else is beside its points is not kept")
    return found


def _equal(a: Any, b: Any) -> bool:
    if a.shape != b.shape:
        return False
    with np.errstate(all="ignore"):
        again = b.astype(a.dtype)
    same = np.array_equal(a, again, equal_nan=a.dtype.kind == "f")
    if a.dtype.kind == b.dtype.kind == "f":  # text has as few digits as tell the value, in its type
        return same
    return bool(same and np.array_equal(again.astype(b.dtype), b, equal_nan=b.dtype.kind == "f"))


def _lost_beside(before: Any, after: Any) -> list[str]:
    """What is not per point, or finer than a cloud holds it, and only its own format keeps."""
    found = []
    system: Crs | None = getattr(before, "crs", None)
    if system is not None and getattr(after, "crs", None) is None:
        found.append(f"the reference system ({system.name}) is not kept")
    if isinstance(before, type(after)):  # a mesh is written as a PLY
        return found
    if hasattr(before, "record"):
        others = {*before.file.records()} - DESCRIBED
        others = {key for key in others if key[0] not in (b"LASF_Projection", b"liblas")}
        if others:
            found.append(f"{len(others)} records of the LAS file are not kept")
        rgb = stored_colours(before.record())
        if rgb is not None and rgb.max(initial=0) > 255 and not np.isin(rgb & 255, (0, 255)).all():
            found.append("colours of 16 bits became 8 bits")
    if hasattr(before, "before") and before.before + before.after:
        found.append(BESIDE)
    rest = getattr(before, "rest", None)
    if isinstance(rest, dict):
        found += [f"'{name}' is not per point: left out" for name in rest]
    return found
