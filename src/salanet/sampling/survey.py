"""The former name of `salanet.sampling.summary`."""

from salanet._lazy import moved

NEW = "salanet.sampling.summary"
_MOVED = {
    "Survey": f"{NEW}:Summary",
    "survey": f"{NEW}:summarise",
    "survey_pieces": f"{NEW}:summarise_pieces",
}

__getattr__ = moved(__name__, NEW, _MOVED)
