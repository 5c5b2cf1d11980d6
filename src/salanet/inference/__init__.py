"""Whole clouds and scenes through a network, in one pass or in tiles, with votes."""

from salanet.inference.evaluate import evaluate, on_raw_points
from salanet.inference.network import TILE_POINTS, point_logits
from salanet.inference.segment import Segmentation, segment
from salanet.inference.tiles import tiles

__all__ = [
    "TILE_POINTS",
    "Segmentation",
    "evaluate",
    "on_raw_points",
    "point_logits",
    "segment",
    "tiles",
]
