"""A model and a cloud in, a class for every point out; no PyTorch but where a model needs it.

from salanet import Segmenter

labels = Segmenter("rooms").predict(xyz, rgb=rgb)
"""

from salanet.engine.opening import as_runner, open_runner
from salanet.engine.runner import Runner
from salanet.engine.segmentation import Segmentation, segment
from salanet.engine.segmenter import Segmenter
from salanet.engine.votes import point_logits

__all__ = [
    "Runner",
    "Segmentation",
    "Segmenter",
    "as_runner",
    "open_runner",
    "point_logits",
    "segment",
]
