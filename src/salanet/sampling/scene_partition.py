"""Partitions of prepared scenes, kept beside their arrays.

    scene/partitions/KEY/
      parts.npy        int32 (N,)
      geometry.npy     float32 (N, 4)
      partition.json   what they are of, and how they were made

KEY stands for the options. The folder appears whole or not at all, and goes with the scene when
that is prepared anew.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from typing import Any

import numpy as np

from salanet.errors import FileError
from salanet.sampling.partition import PartitionOptions, Superpoints, partition
from salanet.scenes import Scene, intact, write_folder

FOLDER = "partitions"
HEADER = "partition.json"


def scene_partition(scene: Scene, options: PartitionOptions) -> Superpoints:
    """The partition of a scene: the one that is kept, or else made, and kept if the disk lets."""
    folder = scene.folder / FOLDER / options.key
    about: dict[str, Any] = asdict(options) | {
        "points": len(scene),
        "coord": scene.meta.get("digests", {}).get("coord.npy"),
    }
    known = intact(folder, HEADER)
    if known is not None and all(known.get(name) == value for name, value in about.items()):
        parts, geometry = (np.load(folder / f"{n}.npy", mmap_mode="r") for n in Superpoints._fields)
        return Superpoints(parts, geometry)
    made = partition(scene.coord, options)
    with suppress(FileError, OSError):  # a disk that cannot be written on costs time, no more
        folder.parent.mkdir(exist_ok=True)
        write_folder(folder, made._asdict(), about, HEADER)
    return made
