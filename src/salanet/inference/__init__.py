"""The former name of what is now `salanet.engine`, `salanet.adapt`, `salanet.labelling` and
`salanet.evaluation`."""

import warnings
from importlib import import_module
from typing import Any

warnings.warn(
    "salanet.inference is now salanet.engine, salanet.labelling, salanet.adapt and "
    "salanet.evaluation",
    DeprecationWarning,
    stacklevel=2,
)

_MOVED = {
    "TILE_POINTS": "salanet.sampling.boxes",
    "Segmentation": "salanet.engine",
    "ShapeVotes": "salanet.evaluation",
    "Voting": "salanet.evaluation",
    "Whole": "salanet.evaluation",
    "evaluate": "salanet.evaluation",
    "evaluate_shapes": "salanet.evaluation",
    "on_raw_points": "salanet.evaluation",
    "point_logits": "salanet.engine",
    "segment": "salanet.engine",
    "to_points": "salanet.evaluation",
}


def __getattr__(name: str) -> Any:
    if name not in _MOVED:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(_MOVED[name]), name)
