"""`salanet demo`: every step runs, and a labelled file is there in the end."""

from __future__ import annotations

from pathlib import Path

import pytest

from salanet import read
from salanet.cli.main import main


def test_the_demo_writes_a_labelled_scan(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "--folder", str(tmp_path), "--budget", "1s", "--size", "24"]) == 0
    text = capsys.readouterr().out
    assert "$ salanet prepare files" in text and "mIoU" in text
    labelled = read(tmp_path / "town-4.labelled.laz")
    assert (labelled.xyz == read(tmp_path / "scans" / "town-4.laz").xyz).all()
    assert (tmp_path / "result.json").exists()
