"""Point clouds to look at: pictures, interactive pages, reports."""

from salanet.view.colours import Classes
from salanet.view.page import write_page
from salanet.view.picture import picture, write_png
from salanet.view.sample import Sample, load
from salanet.view.sheet import sheet

__all__ = ["Classes", "Sample", "load", "picture", "sheet", "write_page", "write_png"]
