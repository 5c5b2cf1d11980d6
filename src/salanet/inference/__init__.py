"""Whole clouds and scenes through a network, in one pass or in tiles, with votes."""

from salanet.inference.evaluate import Whole, evaluate, on_raw_points, to_points
from salanet.inference.network import point_logits
from salanet.inference.segment import Segmentation, segment
from salanet.inference.shapes import ShapeVotes, evaluate_shapes
from salanet.inference.voting import Voting
from salanet.sampling.boxes import TILE_POINTS

__all__ = [
    "TILE_POINTS",
    "Segmentation",
    "ShapeVotes",
    "Voting",
    "Whole",
    "evaluate",
    "evaluate_shapes",
    "on_raw_points",
    "point_logits",
    "segment",
    "to_points",
]
