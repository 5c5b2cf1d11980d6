"""`salanet demo`: a labelled scan and a page in the end, and labels that are mostly right."""

from __future__ import annotations

from pathlib import Path

import pytest

from salanet import read
from salanet.cli.demo import compare
from salanet.cli.main import main


def test_the_demo_labels_a_scan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--folder", str(tmp_path), "--points", "100000", "--no-browser"]
    assert main(["demo", *arguments]) == 0
    text = capsys.readouterr().out
    assert "$ salanet predict" in text and "mIoU" in text
    scan, labelled = read(tmp_path / "room.ply"), read(tmp_path / "room.labelled.ply")
    assert scan.label is None and (labelled.xyz == scan.xyz).all()
    pooled = compare(tmp_path / "room.truth.ply", tmp_path / "room.labelled.ply")
    iou = dict(zip(pooled.classes, pooled.iou, strict=True))
    assert min(iou["floor"], iou["wall"], iou["bookcase"]) > 0.6
    page = (tmp_path / "room.html").read_text(encoding="utf-8")
    assert "100,000" in page or "room.labelled.ply" in page
