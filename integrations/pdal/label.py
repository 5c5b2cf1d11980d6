"""A stage of a PDAL pipeline (`filters.python`) that gives every point a class.

PDAL calls `label` with the dimensions of all points; options come from `pdalargs`:

    {"type": "filters.python", "script": "label.py", "module": "anything", "function": "label",
     "pdalargs": {"model": "aerial"}}

All points are in memory; `salanet predict` labels files of any size (pipelines with files).
"""

from __future__ import annotations

from typing import Any

import numpy as np

import salanet
from salanet.cloud import PointCloud

ATTRIBUTES = {"ReturnNumber": "return_number", "NumberOfReturns": "number_of_returns"}
COLOURS = ("Red", "Green", "Blue")
NO_CLASS = 1  # unclassified

# Set by PDAL from `pdalargs`.
pdalargs: dict[str, Any] = {}


def label(ins: dict[str, np.ndarray], outs: dict[str, np.ndarray]) -> bool:
    """Classification of all points, as the codes of the model; True tells PDAL to go on.

    Args:
        ins: the dimensions of the points by PDAL's names, each (N,).
        outs: gets Classification, uint8 (N,), and Confidence if `pdalargs` asks for it.
    """
    runner = salanet.open_model(pdalargs.get("model", "aerial"))
    found = salanet.segment(runner, cloud_of(ins))
    codes = np.array(runner.card.codes or range(len(runner.config.classes)))
    classes = np.where(found.labels < 0, NO_CLASS, codes[found.labels])
    outs["Classification"] = classes.astype(np.uint8)
    if pdalargs.get("confidence") and found.confidence is not None:
        outs["Confidence"] = found.confidence.astype(np.float32)
    return True


def cloud_of(ins: dict[str, np.ndarray]) -> PointCloud:
    """The points as SalaNet knows them."""
    xyz = np.column_stack([ins["X"], ins["Y"], ins["Z"]])
    cloud = PointCloud(xyz)
    if "Intensity" in ins:
        cloud.intensity = ins["Intensity"].astype(np.float32)
    if all(name in ins for name in COLOURS):
        colours = np.column_stack([ins[name] for name in COLOURS])
        deep = colours.max(initial=0) > 255
        cloud.rgb = (colours >> 8 if deep else colours).astype(np.uint8)
    cloud.attributes = {name: ins[key] for key, name in ATTRIBUTES.items() if key in ins}
    return cloud
