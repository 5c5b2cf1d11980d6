"""The former name of `salanet.engine`."""

import warnings

from salanet.engine import Segmenter

warnings.warn(
    "salanet.edge is now salanet.engine; salanet.Segmenter is there too",
    DeprecationWarning,
    stacklevel=2,
)

__all__ = ["Segmenter"]
