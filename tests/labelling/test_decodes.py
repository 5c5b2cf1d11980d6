"""How often a LAZ is decoded: to be looked at, and to be labelled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import salanet
from salanet.cloud import PointCloud
from salanet.datasets.town import town
from salanet.io.las import laz
from salanet.labelling.look import look
from salanet.sampling.summary import summarise

COUNT = 20_000


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of points decompressed."""
    counts: list[int] = []
    read = laz.Unpacker.read

    def counted(self: laz.Unpacker, count: int) -> Any:
        counts.append(count)
        return read(self, count)

    monkeypatch.setattr(laz.Unpacker, "read", counted)
    return counts


def scan(path: Path, bright: int) -> Path:
    """A town with colours: black, or of 16 bits in its last points alone."""
    cloud = town(3, size=30, density=40)
    cloud = cloud.rows(np.arange(COUNT))
    rgb = np.zeros((COUNT, 3), np.uint8)
    rgb[len(rgb) - bright :] = 200
    colourful = PointCloud(
        cloud.xyz, rgb, cloud.intensity, cloud.label, cloud.attributes, class_names={}
    )
    salanet.write(path, colourful)
    return path


@pytest.mark.parametrize("bright", [0, 10, COUNT])
@pytest.mark.parametrize(
    "named, memory, most", [(False, None, 2), (True, None, 1), (False, 10**8, 3), (True, 10**8, 3)]
)
def test_decodes(
    decoded: list[int], named: bool, memory: int | None, most: int, bright: int, tmp_path: Path
) -> None:
    path = scan(tmp_path / "a.laz", bright)
    model = "aerial" if named else None
    decoded.clear()
    (report,) = salanet.label(path, tmp_path / "o.laz", model, memory=memory, units="m", up="z")
    assert ("sort" in report.phases) == (memory is not None)
    passes = sum(count for count in decoded if count > 1) / COUNT  # one point tells the format
    assert passes <= most, decoded


@pytest.mark.parametrize("bright", [0, 10, COUNT])
def test_one_look_sees_what_all_points_tell(bright: int, tmp_path: Path) -> None:
    path = scan(tmp_path / "a.laz", bright)
    seen, whole = look(path).summary, summarise(salanet.read(path))
    assert seen.arrays.keys() == whole.arrays.keys() and ("rgb" in seen.arrays) == bool(bright)
    for name, array in whole.arrays.items():
        np.testing.assert_array_equal(seen.arrays[name], array)
    np.testing.assert_array_equal(seen.xyz, whole.xyz)
