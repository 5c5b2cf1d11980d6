"""LAS and LAZ files with something in every field, for tests."""

from __future__ import annotations

from pathlib import Path

import laspy
import numpy as np
import pytest
from laspy.vlrs.known import WktCoordinateSystemVlr

COUNT = 40
VERSIONS = [("1.2", 0), ("1.2", 1), ("1.2", 2), ("1.2", 3), ("1.3", 4), ("1.3", 5), ("1.4", 3)]
VERSIONS += [("1.4", i) for i in range(6, 11)]
both = pytest.mark.parametrize("suffix", [".las", ".laz"])


def make(path: Path, version: str = "1.4", point_format: int = 7, extra: bool = True) -> None:
    """A file with random values in every dimension, extra ones, records and a reference system."""
    rng = np.random.default_rng(point_format)
    header = laspy.LasHeader(version=version, point_format=point_format)
    header.scales, header.offsets = [0.001, 0.002, 0.01], [651000.125, 6861000, -100]
    if extra:
        header.add_extra_dims(
            [
                laspy.ExtraBytesParams("height", "f4", "above ground"),
                laspy.ExtraBytesParams("ring", "u2"),
                laspy.ExtraBytesParams("scaled", "i4", scales=[0.01], offsets=[10.0]),
                laspy.ExtraBytesParams("normal", "3f8"),
            ]
        )
    header.vlrs.append(WktCoordinateSystemVlr('PROJCS["RGF93 / Lambert-93"]'))
    header.vlrs.append(laspy.VLR("someone", 7, "private", bytes(range(256))))
    las = laspy.LasData(header)
    record = laspy.ScaleAwarePointRecord.zeros(COUNT, header=header)
    raw = rng.integers(0, 256, (COUNT, record.array.dtype.itemsize), dtype=np.uint8)
    record.array[:] = raw.view(record.array.dtype)[:, 0]
    if point_format in (9, 10):
        record["scanner_channel"] = np.zeros(COUNT, np.uint8)
    record["X"], record["Y"], record["Z"] = rng.integers(-(2**31), 2**31, (3, COUNT))
    las.points = record
    if version == "1.4":
        las.evlrs = laspy.vlrs.vlrlist.VLRList([laspy.VLR("someone", 8, "long", bytes(70000))])
    las.write(path)
