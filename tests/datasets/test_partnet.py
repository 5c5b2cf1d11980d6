"""PartNet from its HDF5 files, through the command line."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from miniatures import write_partnet

from salanet.cli.main import main
from salanet.datasets import partnet
from salanet.errors import DataError, FileError
from salanet.model_config import PARTNET_PARTS


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return write_partnet(tmp_path)


def run(capsys: pytest.CaptureFixture, *arguments: object) -> dict[str, Any]:
    assert main(["prepare", "partnet", *map(str, arguments), "--json", "--workers", "1"]) == 0
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    return report


def error(capsys: pytest.CaptureFixture, *arguments: object) -> str:
    assert main(["prepare", "partnet", *map(str, arguments), "--workers", "1"]) == 2
    return str(capsys.readouterr().err.strip().splitlines()[-1])


def test_shapes_are_stacked_in_the_order_of_the_lists(
    raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    report = run(capsys, raw, tmp_path / "out")
    assert [scene["scene"] for scene in report["scenes"]][:3] == [
        "train/Bottle", "val/Bottle", "test/Bottle"
    ]  # fmt: skip
    assert report["scenes"][0]["shapes"] == 3 and report["scenes"][0]["points"] == 600
    bottle, microwave = partnet.open_shapes(tmp_path / "out", "train")
    assert (bottle.category, bottle.part_count, len(bottle)) == ("Bottle", 9, 3)
    assert (microwave.category, microwave.part_count, microwave.grid) == ("Microwave", 6, 0.02)
    assert bottle.points.shape == (3, 200, 3) and bottle.points.dtype == np.float32
    assert isinstance(bottle.points, np.memmap) and bottle.parts.dtype == np.int16
    files = [h5py.File(raw / "Bottle-3" / f"train-0{i}.h5") for i in (0, 1)]
    data = np.concatenate([file["data"][:] for file in files])
    labels = np.concatenate([file["label_seg"][:] for file in files])
    np.testing.assert_array_equal(bottle.parts, labels)
    for shape, source in zip(bottle.points, data, strict=True):
        centred = source - (source.max(axis=0) + source.min(axis=0)) / 2
        expected = centred / np.sqrt((centred**2).sum(axis=1).max())
        np.testing.assert_allclose(shape, expected[:, [0, 2, 1]], atol=1e-6)
        assert np.linalg.norm(shape, axis=1).max() == pytest.approx(1, abs=1e-6)
    assert labels.min() == 0 and labels.max() == 7


def test_absent_parts_and_categories_are_reported(
    raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (raw / "Microwave-3" / "val_files.txt").unlink()
    report = run(capsys, raw, tmp_path / "out")
    assert "Microwave-3 has no val shapes" in report["remarks"]
    assert "train/Bottle: no point of part 8" in report["remarks"]
    checks = {check["what"]: (check["found"], check["expected"]) for check in report["checks"]}
    assert checks["Bottle, train"] == (3, 315) and checks["Vase, test"] == (0, 233)
    assert len(checks) == 3 * 17


def test_published_numbers() -> None:
    assert {name: c.parts for name, c in partnet.CATEGORIES.items()} == PARTNET_PARTS
    assert list(partnet.CATEGORIES) == list(PARTNET_PARTS)
    totals = [sum(getattr(c, split) for c in partnet.CATEGORIES.values()) for split in
              ("parts", "train", "val", "test")]  # fmt: skip
    assert totals == [268, 17119, 2492, 4895]


def test_resume_and_verify(raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    out = tmp_path / "out"
    first = run(capsys, raw, out)
    again = run(capsys, raw.parent, out)  # the folder around sem_seg_h5 will do
    assert all(scene["skipped"] for scene in again["scenes"])
    assert again["remarks"] == first["remarks"]
    assert run(capsys, raw, out, "--verify")["damage"] == []
    (out / "val" / "Bottle" / "parts.npy").unlink()
    assert "parts.npy: missing" in error(capsys, raw, out, "--verify")


def test_dry_run(raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    report = run(capsys, raw, tmp_path / "out", "--dry-run")
    assert len(report["scenes"]) == 6 and not (tmp_path / "out").exists()


def test_data_num_that_differs_is_reported(
    raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    with h5py.File(raw / "Bottle-3" / "val-00.h5", "r+") as file:
        file["data_num"][0] = 150
    report = run(capsys, raw, tmp_path / "out")
    assert "val-00.h5: data_num is not 200 for 1 shapes; all points kept" in report["remarks"]


def spoil(raw: Path, what: str) -> None:
    folder = raw / "Bottle-3"
    if what == "listed":
        (folder / "train-01.h5").unlink()
    elif what == "no hdf5":
        (folder / "train-01.h5").write_bytes(b"text")
    elif what == "no labels":
        with h5py.File(folder / "train-01.h5", "r+") as file:
            del file["label_seg"]
    elif what == "part":
        with h5py.File(folder / "train-01.h5", "r+") as file:
            file["label_seg"][0, 0] = 9
    elif what == "one point":
        with h5py.File(folder / "train-01.h5", "r+") as file:
            file["data"][0] = 1.0


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("listed", "train_files.txt: lists train-01.h5, which is not there"),
        ("no hdf5", "train-01.h5: is no HDF5 file with data and label_seg"),
        ("no labels", "train-01.h5: is no HDF5 file with data and label_seg"),
        ("part", "has parts 0 to 9; the category has 0 to 8"),
        ("one point", "train/Bottle: shape 0 has the radius 0.0"),
    ],
)
def test_bad_shapes(
    raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture, what: str, message: str
) -> None:
    spoil(raw, what)
    assert message in error(capsys, raw, tmp_path / "out")


def test_nothing_to_prepare(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert "holds no Bed-3" in error(capsys, tmp_path, tmp_path / "out")
    with pytest.raises(FileError, match="holds no shapes"):
        partnet.open_shapes(tmp_path, "train")
    with pytest.raises(FileError, match="holds no shapes"):
        partnet.Shapes.open(tmp_path)


def test_h5py_is_an_extra(
    raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    assert "pip install 'salanet[partnet]'" in error(capsys, raw, tmp_path / "out")


def test_normalise_refuses_what_is_not_finite() -> None:
    points = np.random.default_rng(0).random((2, 10, 3))
    points[1, 3, 2] = np.nan
    with pytest.raises(DataError, match="shape 1 has the radius nan"):
        partnet.normalise(points)
