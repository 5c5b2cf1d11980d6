"""`salanet convert`: another format, and what it cannot keep."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from salanet import read, write
from salanet.cli.main import main
from salanet.datasets.town import town


def test_every_attribute_arrives(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cloud = town(3, size=12)
    write(tmp_path / "a.laz", cloud)
    before = (tmp_path / "a.laz").read_bytes()
    for name in ("b.pcd", "c.ply", "d.npz", "e.csv", "f.las"):
        assert main(["convert", str(tmp_path / "a.laz"), str(tmp_path / name)]) == 0
        assert "everything is kept" in capsys.readouterr().out
        back = read(tmp_path / name)
        np.testing.assert_array_equal(back.label, cloud.label)
        np.testing.assert_array_equal(back.intensity, cloud.intensity)
    assert (tmp_path / "a.laz").read_bytes() == before


def test_losses_and_errors_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savetxt(tmp_path / "a.txt", [[0.12345, 1, 2, 7], [1000, 5, 6, 8]])
    source = str(tmp_path / "a.txt")
    options = ["--columns", "x,y,z,height", "--json"]
    assert main(["convert", source, str(tmp_path / "a.laz"), *options]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["remarks"] == ["coordinates are rounded, by 0.00045 at most"]
    assert read(tmp_path / "a.laz").attributes["height"].tolist() == [7, 8]
    for target, message in (
        ("a.e57", "read only"),
        ("a.foo", "unknown suffix"),
        ("a.txt", "input"),
    ):
        assert main(["convert", source, str(tmp_path / target)]) == 2
        assert message in capsys.readouterr().err
