"""All points of a file to be edited, and the same file with other classes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salanet import io
from salanet.cloud import NO_LABEL, PointCloud
from salanet.company import Company
from salanet.errors import FileError
from salanet.io.las.asprs import contradictions
from salanet.io.stream import Stream, complete, open_stream
from salanet.labelling.inplace import STAGE, backup_of
from salanet.labelling.memory import machine_memory
from salanet.view.colours import asprs
from salanet.view.sample import LAS, Sample

AT_ONCE = 1 << 20  # points in memory as they are stored
POINT_BYTES = 150  # of a point while a file opens, at the most
WANTED = ("rgb", "intensity", "label", "confidence", "entropy")
STANDARD = (1, 2, 3, 4, 5, 6, 7, 9, 17, 18)  # codes of LAS that are offered in any LAS file


@dataclass(frozen=True)
class Loaded:
    """All points of a file.

    Attributes:
        sample: the points in the file's order, strays and those that are not finite included.
        marks: bool (N,), which points the file has a mark for.
        unsure: float32 (N,), from 0 to 1, how unsure a model was of each point; None if unknown.
        lonely: bool (N,), points that are strays or not finite.
    """

    sample: Sample
    marks: NDArray[np.bool_]
    unsure: NDArray[np.float32] | None
    lonely: NDArray[np.bool_]


def load(path: Path, named: Path, marks: str | None, columns: str | None) -> Loaded:
    """Read all points of a file.

    Args:
        path: what is read.
        named: what it is called.
        marks: an attribute that is not 0 where a point was assigned before.
        columns: of text files.

    Raises FileError if it cannot be read, or has no finite point.
    """
    stream = None if columns is not None else open_stream(path, path)
    found: dict[str, NDArray[Any]] = {}
    keep = {*WANTED, *([marks] if marks else [])}
    if stream is None:
        cloud = io.read(path, columns=columns)
        found = {"xyz": cloud.xyz} | {n: a for n, a in cloud.arrays().items() if n in keep}
    else:
        _require_memory(stream.count, named)
        done = 0
        with io.reading(path):
            for cloud in stream.clouds(AT_ONCE, keep):
                for name, array in {"xyz": cloud.xyz, **cloud.arrays()}.items():
                    if name not in found:
                        found[name] = np.empty((stream.count, *array.shape[1:]), array.dtype)
                    found[name][done : done + len(array)] = array
                done += len(cloud)
    xyz = found["xyz"]
    if not np.isfinite(xyz).all(axis=1).any():
        raise FileError(named, "no point has finite coordinates")
    company = Company.of(xyz)
    confidence, entropy = _share(found.get("confidence")), _share(found.get("entropy"))
    sample = Sample(
        name=named.name,
        total=len(xyz),
        xyz=xyz,
        rgb=found.get("rgb"),
        intensity=found.get("intensity"),
        label=found.get("label", np.full(len(xyz), NO_LABEL, np.int32)),
        confidence=confidence,
        names=_names(named, cloud, stream, found.get("label")),
        crs=cloud.crs,
        upright=cloud.upright,
        company=company,
    )
    marked = found.get(marks) if marks else None
    known = marked is not None and marked.ndim == 1
    return Loaded(
        sample,
        np.asarray(marked != 0) if known else np.zeros(len(xyz), bool),
        entropy if confidence is None or entropy is not None else 1 - confidence,
        company.strays(xyz),
    )


def _require_memory(count: int, named: Path) -> None:
    """Raise FileError if all points of a file are surely too many for the machine."""
    needed, there = count * POINT_BYTES, machine_memory()
    if there is not None and needed > there:
        raise FileError(
            named,
            f"{count:,} points take about {needed / 1e9:,.1f} GB of memory to edit, and this "
            f"machine has {there / 1e9:,.1f} GB: cut out a part of the file and edit that",
        )


def write_corrected(
    path: Path,
    to: Path,
    codes: NDArray[np.int32],
    names: dict[int, str],
    marks: str | None,
    marked: NDArray[np.bool_],
    columns: str | None,
) -> list[str]:
    """Write a file again with other classes, as `salanet predict` does: all else stays.

    Args:
        path: the file.
        to: the result.
        codes: int32 (N,), of all points.
        names: of codes that the file does not name yet.
        marks: an attribute that becomes 1 where `marked`, bool (N,), and stays elsewhere.
        columns: of text files.

    Returns:
        Remarks, one line each.

    Raises FileError if the result cannot be written.
    """
    stream = None if columns is not None else open_stream(path, to)
    if stream is None:
        cloud = io.read(path, columns=columns)
        cloud.label, cloud.class_names = codes, names | cloud.class_names
        if marks is not None:
            cloud.attributes[marks] = _marked(cloud.attributes.get(marks), marked)
        return io.write(to, cloud)
    head = next(stream.clouds(1, [marks] if marks else []))
    # The marks that are there already, whole: a byte of each point at most is worth the memory.
    before = _column(stream, marks) if marks in head.attributes else None
    after = _marked(before, marked)

    def labelled(start: int, stop: int) -> PointCloud:
        attributes = {} if marks is None else {marks: after[start:stop]}
        return PointCloud(
            np.zeros((stop - start, 3)), label=codes[start:stop], attributes=attributes
        )

    occurring = np.unique(codes).astype(np.int32)
    attributes = {} if marks is None else {marks: np.ones(len(occurring), after.dtype)}
    sample = PointCloud(np.zeros((len(occurring), 3)), label=occurring, attributes=attributes)
    sample.class_names = names | head.class_names
    with io.atomic_path(to) as temporary:
        for _ in stream.copy(temporary, AT_ONCE, sample, labelled):
            pass
        completed = complete(stream, temporary, to)
    return [*stream.remarks, *completed]


@contextmanager
def readable(source: Path, named: Path) -> Iterator[Path]:
    """A file under a name that tells its format, where it has another one, such as a backup."""
    if source != backup_of(named):
        yield source
        return
    folder = named.resolve().parent / STAGE
    folder.mkdir(exist_ok=True)
    alias = folder / f"former-{named.name}"
    alias.unlink(missing_ok=True)
    try:
        try:
            os.link(source, alias)
        except OSError:  # not on this disk
            shutil.copy2(source, alias)
        yield alias
    finally:
        alias.unlink(missing_ok=True)
        if not any(folder.iterdir()):
            folder.rmdir()


def _column(stream: Stream, name: str | None) -> NDArray[Any]:
    assert name is not None
    return np.concatenate([c.attributes[name] for c in stream.clouds(AT_ONCE, [name])])


def _marked(before: NDArray[Any] | None, marked: NDArray[np.bool_]) -> NDArray[Any]:
    """The values that marks have: 1 where there is one, unless there is one already."""
    if before is None or before.shape != marked.shape:
        return marked.astype(np.uint8)
    after = before.copy()
    after[marked & (before == 0)] = 1
    return after


def _share(values: NDArray[Any] | None) -> NDArray[np.float32] | None:
    if values is None or values.dtype.kind != "f" or values.ndim != 1:
        return None
    share: NDArray[np.float32] = np.nan_to_num(np.clip(values, 0, 1)).astype(np.float32)
    return share


def _names(
    named: Path, cloud: PointCloud, stream: Stream | None, label: NDArray[np.int32] | None
) -> dict[int, str]:
    """What codes are called: as the file says, and as the standard of LAS does."""
    names = dict(cloud.class_names)
    own = stream is not None and "classification" in stream.names  # labels of their own
    if named.suffix.lower() not in LAS or own or label is None or contradictions(names):
        return names
    return asprs([*np.unique(label).tolist(), *STANDARD]) | names
