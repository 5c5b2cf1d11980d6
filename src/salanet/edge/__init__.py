"""The former name of `salanet.engine`."""

from salanet._lazy import moved

__getattr__ = moved(__name__, "salanet.engine", {"Segmenter": "salanet.engine"})
