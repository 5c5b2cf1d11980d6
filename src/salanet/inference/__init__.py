"""The former name of what is now `salanet.engine`, `salanet.adapt`, `salanet.labelling` and
`salanet.evaluation`."""

from salanet._lazy import moved

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

__getattr__ = moved(
    __name__,
    "salanet.engine, salanet.labelling, salanet.adapt and salanet.evaluation",
    _MOVED,
)
