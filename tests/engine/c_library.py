"""libsalanet by ctypes, as include/salanet.h declares it."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, byref, c_char, c_char_p, c_double, c_float, c_int32, c_size_t
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

OK, BAD_ARGUMENT, BAD_FILE, BAD_DATA = range(4)

Array = NDArray[Any]


class Error(ctypes.Structure):
    _fields_ = (("text", c_char * 512),)


class Options(ctypes.Structure):
    _fields_ = (
        ("size", c_size_t),
        ("threads", c_int32),
        ("precision", c_int32),
        ("tile_points", c_size_t),
        ("intensity_scale", c_double),
    )


class Library:
    """The shared library by ctypes."""

    def __init__(self, path: Path) -> None:
        self.c = c = ctypes.CDLL(str(path))
        model, error = ctypes.c_void_p, POINTER(Error)
        c.salanet_version.restype = c_char_p
        c.salanet_class_name.restype = c_char_p
        c.salanet_class_name.argtypes = [model, c_size_t]
        c.salanet_class_count.restype = c_size_t
        c.salanet_class_count.argtypes = [model]
        c.salanet_class_code.argtypes = [model, c_size_t]
        c.salanet_cell_size.restype = c_double
        c.salanet_cell_size.argtypes = [model]
        c.salanet_close.argtypes = [model]
        c.salanet_open.argtypes = [c_char_p, POINTER(model), error]
        c.salanet_open_memory.argtypes = [c_char_p, c_size_t, POINTER(model), error]
        c.salanet_segment.argtypes = [
            model, POINTER(c_double), POINTER(ctypes.c_uint8), POINTER(c_float), c_size_t,
            POINTER(Options), POINTER(c_int32), POINTER(c_float), error,
        ]  # fmt: skip

    def open(self, path: Path) -> tuple[int, ctypes.c_void_p, str]:
        model, error = ctypes.c_void_p(), Error()
        status = self.c.salanet_open(str(path).encode(), byref(model), byref(error))
        return status, model, error.text.decode()

    def open_bytes(self, data: bytes) -> tuple[int, ctypes.c_void_p, str]:
        model, error = ctypes.c_void_p(), Error()
        status = self.c.salanet_open_memory(data, len(data), byref(model), byref(error))
        return status, model, error.text.decode()

    def segment(
        self,
        model: ctypes.c_void_p,
        xyz: Array,
        rgb: Array | None = None,
        intensity: Array | None = None,
        **options: Any,
    ) -> tuple[int, Array, Array, str]:
        error, count = Error(), len(xyz)
        labels = np.full(count, -7, np.int32)
        shares = np.full((count, self.c.salanet_class_count(model)), np.nan, np.float32)
        given = Options(ctypes.sizeof(Options), **options)
        status = self.c.salanet_segment(
            model, pointer(np.ascontiguousarray(xyz, np.float64), c_double),
            pointer(rgb, ctypes.c_uint8), pointer(intensity, c_float), count, byref(given),
            pointer(labels, c_int32), pointer(shares, c_float), byref(error),
        )  # fmt: skip
        return status, labels, shares, error.text.decode()


def pointer(array: Array | None, kind: Any) -> Any:
    return None if array is None else array.ctypes.data_as(POINTER(kind))
