"""What parts of a room are called, and what S3DIS and ScanNet call them.

A thing is finer than the classes of either, so one room gives the labels of both. What ScanNet
calls a thing follows its table of labels: an armchair is a chair, a poster a picture, wardrobes,
radiators and bins are other furniture. New things go to the end: scans keep their numbers.
"""

from __future__ import annotations

import numpy as np

from salanet.datasets import scannet
from salanet.datasets.s3dis import CLASS_OF

# Thing: (class of S3DIS, class of ScanNet; "" where its benchmark ignores them).
THINGS: dict[str, tuple[str, str]] = {
    "ceiling": ("ceiling", ""),
    "floor": ("floor", "floor"),
    "wall": ("wall", "wall"),
    "beam": ("beam", ""),
    "column": ("column", ""),
    "window": ("window", "window"),
    "blind": ("window", ""),
    "door": ("door", "door"),
    "table": ("table", "table"),
    "desk": ("table", "desk"),
    "chair": ("chair", "chair"),
    "sofa": ("sofa", "sofa"),
    "bookcase": ("bookcase", "bookshelf"),
    "board": ("board", ""),
    "cabinet": ("clutter", "cabinet"),
    "bed": ("clutter", "bed"),
    "counter": ("clutter", "counter"),
    "refrigerator": ("clutter", "refrigerator"),
    "curtain": ("clutter", "curtain"),
    "shower curtain": ("clutter", "shower curtain"),
    "picture": ("clutter", "picture"),
    "toilet": ("clutter", "toilet"),
    "sink": ("clutter", "sink"),
    "bathtub": ("clutter", "bathtub"),
    "furniture": ("clutter", "otherfurniture"),
    "clutter": ("clutter", ""),
    "armchair": ("sofa", "chair"),
    "poster": ("wall", "picture"),  # as thin as paint
    "wardrobe": ("clutter", "otherfurniture"),
    "radiator": ("clutter", "otherfurniture"),
    "bin": ("clutter", "otherfurniture"),
}
NAMES = tuple(THINGS)
THING_OF = {name: index for index, name in enumerate(NAMES)}
# By thing: index of its class, -1 = ignored.
S3DIS = np.array([CLASS_OF[s3dis] for s3dis, _ in THINGS.values()], np.int32)
SCANNET = np.array(
    [list(scannet.CLASSES).index(name) if name else -1 for _, name in THINGS.values()], np.int32
)
