"""Numbered points of a LAS file in a file of their own: what is kept comes back as it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from las_files import COUNT, VERSIONS, both, make

from salanet.errors import FileError
from salanet.io.las import clouds
from salanet.io.las.clouds import LasSource
from salanet.io.las.rows import RowReader, RowWriter, only
from salanet.io.las.stream import LasStream, with_points

KEEP = ["intensity", "rgb", "number_of_returns", "scan_direction_flag", "ring", "scaled"]


def source_of(folder: Path, version: str = "1.4", point_format: int = 7) -> LasSource:
    make(folder / "first.las", version, point_format)
    (source,) = LasStream(folder / "first.las").sources(COUNT)
    return source


def write(path: Path, source: LasSource, rows: np.ndarray) -> None:
    with path.open("wb+") as file:
        writer = RowWriter(file, source, path.suffix == ".laz")
        for part in np.array_split(rows, 3):
            writer.append(only(source, KEEP)[part], part)
        writer.finish()


@both
@pytest.mark.parametrize("version, point_format", VERSIONS)
def test_kept_as_they_were(tmp_path: Path, version: str, point_format: int, suffix: str) -> None:
    source = source_of(tmp_path, version, point_format)
    path, rows = tmp_path / f"rows{suffix}", np.array([0, 1, 2, 5, 8, 13, 21, 34, 39])
    write(path, source, rows)
    found = []
    with path.open("rb") as file:
        reader = RowReader(path, file)
        for stop in (0, 2, 3, 3, 20, COUNT, COUNT + 7):
            records, numbers = reader.until(stop)
            assert len(records) == len(numbers) and (numbers < stop).all()
            found.append((records, numbers))
    assert (np.concatenate([numbers for _, numbers in found]) == rows).all()
    points = np.concatenate([records for records, _ in found])
    cloud = clouds.to_cloud(with_points(source, points), KEEP, deep=True)
    expected = clouds.to_cloud(source, KEEP, deep=True)
    np.testing.assert_array_equal(cloud.xyz, expected.xyz[rows])
    assert cloud.arrays().keys() == expected.arrays().keys() >= {"intensity", "ring", "scaled"}
    for name, array in expected.arrays().items():
        np.testing.assert_array_equal(cloud.arrays()[name], array[rows], err_msg=name)
    other = clouds.to_cloud(with_points(source, points), ["normal", "label"])
    assert not other.attributes["normal"].any() and not other.label.any()


def test_more_points_than_are_read_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("salanet.io.las.rows.BLOCK", 3)
    path, rows = tmp_path / "rows.laz", np.arange(1, COUNT, 2)
    write(path, source_of(tmp_path), rows)
    with path.open("rb") as file:
        reader = RowReader(path, file)
        assert [len(reader.until(stop)[1]) for stop in (1, 2, 11, COUNT)] == [0, 1, 4, 15]


def test_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "rows.laz"
    write(path, source_of(tmp_path), np.arange(COUNT))
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(FileError, match=r"cut short|damaged"), path.open("rb") as file:
        RowReader(path, file).until(COUNT)
