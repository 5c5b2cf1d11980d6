"""Point clouds to look at: pictures, interactive pages, reports.

`salanet.view(…)`, called, shows clouds.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

from salanet.view.canvas import write_png
from salanet.view.colours import Classes
from salanet.view.page import write_page
from salanet.view.picture import picture
from salanet.view.sample import Sample, load
from salanet.view.sheet import sheet


class _Package(ModuleType):
    """The package is what `salanet.view` names, whether or not anybody has imported it."""

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return import_module("salanet._front").view(*arguments, **named)


sys.modules[__name__].__class__ = _Package

__all__ = ["Classes", "Sample", "load", "picture", "sheet", "write_page", "write_png"]
