"""The former name of `salanet.adapt.alignment`."""

from salanet._lazy import moved

NEW = "salanet.adapt.alignment"
_MOVED = {
    "Fit": f"{NEW}:Alignment",
    "FitOptions": f"{NEW}:AlignmentOptions",
    "as_is": NEW,
    "examine": NEW,
}

__getattr__ = moved(__name__, NEW, _MOVED)
