"""Scenes that Pointcept prepared: ``coord.npy``, ``color.npy``, ``segment.npy`` of all points.

They hold every raw point in the order of the source, so they are read like raw data. Their class
indices are the benchmark's own (S3DIS: the paper's order; ScanNet: ``segment20``), -1 = ignored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from salanet.cloud import PointCloud
from salanet.datasets.benchmark import Raw, check_classes
from salanet.datasets.jobs import Job
from salanet.errors import DataError, FileError
from salanet.scenes import Scene

FILES = ("coord.npy", "color.npy", "segment.npy", "segment20.npy")


def is_scene(folder: Path) -> bool:
    return (folder / "coord.npy").exists()


def files(folder: Path) -> tuple[Path, ...]:
    """What is read of a scene; FileError if `salanet prepare` wrote it itself."""
    if (folder / "scene.json").exists():
        raise FileError(folder, "was prepared by salanet; give the raw data instead")
    return tuple(path for name in FILES if (path := folder / name).exists())


def read(job: Job, classes: Sequence[str], meta: Mapping[str, Any]) -> Raw:
    """A scene with its labels, if it has any that are not ignored.

    Raises FileError or DataError: damaged arrays, no colours, classes out of range.
    """
    scene = Scene.open(job.files[0].parent)
    if scene.color is None:
        raise DataError(f"{scene.folder}: has no color.npy")
    segment = None if scene.segment is None else np.array(scene.segment)
    if segment is not None:
        check_classes(segment, classes, scene.folder)
        segment = segment if (segment >= 0).any() else None
    return Raw(
        cloud=PointCloud(xyz=scene.coord + scene.offset, rgb=np.array(scene.color)),
        segment=segment,
        meta=dict(meta),
        remarks=(),
    )
