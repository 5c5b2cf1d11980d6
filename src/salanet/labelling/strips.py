"""The former name of `salanet.labelling.margins`."""

from salanet._lazy import moved

NEW = "salanet.labelling.margins"
__getattr__ = moved(__name__, NEW, {"Strip": f"{NEW}:Margin", "kept_for": NEW})
