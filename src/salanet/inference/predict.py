"""One file in, the same file labelled out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from salanet.inference.outputs import label_cloud, make_folder
from salanet.inference.segment import cloud_input, segment
from salanet.io import read, write
from salanet.io.describe import remarks as reading_remarks
from salanet.models import Network

if TYPE_CHECKING:
    from salanet.inference.fit import FitOptions

# Called with the name of the phase, what is done of it and all of it.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class PredictOptions:
    """How a file is labelled, and what its result holds.

    Attributes:
        probabilities, confidence, entropy: what is written beside the classes.
        votes: passes, the first as the points are, the others turned and scaled.
        columns: what the columns of a text file are; see `salanet.read`.
        memory: bytes the process may take; None for what suits the machine.
        resume: continue what a killed run left behind.
        fit: how the file's units, density and axes are brought to the model's; None for as is.
        border: neighbouring files; their points near this file's are seen, but not written.
    """

    probabilities: bool = False
    confidence: bool = False
    entropy: bool = False
    votes: int = 1
    columns: str | None = None
    memory: int | None = None
    resume: bool = False
    fit: FitOptions | None = None
    border: tuple[Path, ...] = ()


def predict_file(
    model: Network,
    path: Path,
    to: Path,
    options: PredictOptions | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Label the points of a file; the result appears under its name whole, or not at all.

    Args:
        model: a scene model, ready for inference.
        path: a point cloud in any format.
        to: the result; its suffix chooses the format, its folder is made.
        options: see `PredictOptions`.
        progress: called with (phase, done, total).

    Returns:
        The report: points, cells, seconds of each phase, points of each class, remarks.

    Raises:
        FileError: a file cannot be read or written.
        DataError: the file holds nothing that the model could label.
        ConfigError: the model is not for scenes.
    """
    return _whole(model, path, to, options or PredictOptions(), progress or _silent)


def inspect_file(model: Network, path: Path, options: PredictOptions) -> dict[str, Any]:
    """What `predict_file` would do, without doing it."""
    cloud = read(path, columns=options.columns)
    return {"points": len(cloud), "cells": len(cloud_input(model, cloud, str(path)).points)}


def _silent(phase: str, done: int, total: int) -> None:
    pass


def _whole(
    model: Network, path: Path, to: Path, options: PredictOptions, progress: Progress
) -> dict[str, Any]:
    """Everything in memory: quick for small files."""
    clock = [time.perf_counter()]
    cloud = read(path, columns=options.columns)
    clock.append(time.perf_counter())
    found = segment(
        model,
        cloud,
        probabilities=options.probabilities,
        votes=options.votes,
        progress=lambda done, total: progress("network", done, total),
        where=str(path),
    )
    clock.append(time.perf_counter())
    label_cloud(cloud, found, model)
    make_folder(to)
    remarks = [*reading_remarks(cloud), *write(to, cloud)]
    clock.append(time.perf_counter())
    counts = np.bincount(found.labels, minlength=len(model.config.classes)).tolist()
    reading, network, writing = np.diff(clock).tolist()
    return {
        "input": str(path),
        "output": str(to),
        "points": len(cloud),
        "cells": found.cells,
        "seconds": clock[-1] - clock[0],
        "seconds_read": reading,
        "seconds_network": network,
        "seconds_write": writing,
        "points_per_second": len(cloud) / (clock[-1] - clock[0]),
        "classes": dict(zip(model.config.classes, counts, strict=True)),
        "remarks": remarks,
    }
