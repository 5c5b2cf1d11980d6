"""SalaNet: semantic segmentation of 3D point clouds with tiny networks that run anywhere.

    salanet.label("survey.laz", "survey.labelled.laz")     # files in, the same files labelled out
    found = salanet.segment("rooms", salanet.read("scan.ply"))

The names below are loaded when first used, so that ``import salanet`` stays fast. `train` and
`evaluate` need PyTorch: ``pip install 'salanet[train]'``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from salanet._lazy import lazily as _lazily

__version__ = "0.1.0"

_LAZY = {
    "PointCloud": "salanet.cloud",
    "Report": "salanet.labelling.report",
    "Rules": "salanet.labelling.rules",
    "SalaNetError": "salanet.errors",
    "Segmenter": "salanet.engine",
    "create_model": "salanet.models",
    "evaluate": "salanet._front",
    "info": "salanet._front",
    "label": "salanet.labelling.label",
    "list_operators": "salanet._front",
    "load": "salanet.models",
    "models": "salanet._front",
    "open": "salanet._front",
    "open_model": "salanet._front",
    "read": "salanet.io",
    "restore": "salanet.labelling.inplace",
    "save": "salanet.models",
    "segment": "salanet.engine",
    "smooth": "salanet.labelling.smooth",
    "train": "salanet._front",
    "view": "salanet._front",
    "write": "salanet.io",
}

if TYPE_CHECKING:
    from salanet._front import (
        evaluate,
        info,
        list_operators,
        models,
        open,
        open_model,
        train,
        view,
    )
    from salanet.cloud import PointCloud
    from salanet.engine import Segmenter, segment
    from salanet.errors import SalaNetError
    from salanet.io import read, write
    from salanet.labelling.inplace import restore
    from salanet.labelling.label import label
    from salanet.labelling.report import Report
    from salanet.labelling.rules import Rules
    from salanet.labelling.smooth import smooth
    from salanet.models import create_model, load, save

__all__ = [
    "PointCloud",
    "Report",
    "Rules",
    "SalaNetError",
    "Segmenter",
    "create_model",
    "evaluate",
    "info",
    "label",
    "list_operators",
    "load",
    "models",
    "open",
    "open_model",
    "read",
    "restore",
    "save",
    "segment",
    "smooth",
    "train",
    "view",
    "write",
]


__getattr__ = _lazily(__name__, _LAZY)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
