"""`salanet view` and `salanet evaluate --report`: what they write, and what they refuse."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from salanet.cli.main import main
from salanet.cli.view import find, number, read
from salanet.datasets.town import town
from salanet.errors import ConfigError
from salanet.io import write


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scans")
    cloud = town(1, size=24)
    write(folder / "truth.laz", cloud)
    cloud.label = np.where(np.arange(len(cloud)) % 20 == 0, 9, cloud.label).astype(np.int32)
    write(folder / "found.laz", cloud)
    write(folder / "other.laz", town(2, size=24))
    return folder


RETURNS = ["return_number", "number_of_returns"]


def test_page_and_picture(
    scans: Path, town_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page, image = tmp_path / "page.html", tmp_path / "a.png"
    files = [str(scans / "truth.laz"), str(scans / "found.laz")]
    assert main(["view", *files, "-m", str(town_model), "--html", str(page)]) == 0
    head = json.loads(re.search(r'id="head">(.*?)</script>', page.read_text(), re.S)[1])
    assert [panel["modes"] for panel in head["panels"]] == [
        ["class", "intensity", "height", *RETURNS],
        ["class", "truth", "error", "intensity", "height", *RETURNS],
    ]
    assert {c["name"] for c in head["classes"]} >= {"ground", "shrub", "class 9"}
    arguments = ["--png", str(image), "--size", "200x150", "--colour", "height", "--view", "top"]
    assert main(["view", files[0], "--points", "1k", *arguments]) == 0
    data = image.read_bytes()
    assert main(["view", files[0], *arguments, "--colour", "return_number"]) == 0
    assert image.read_bytes() != data
    assert main(["view", files[0], *arguments, "--colour", "nothing"]) == 2
    assert data[16:24] == (200).to_bytes(4, "big") + (150).to_bytes(4, "big")
    assert "1,000 of" in capsys.readouterr().out


def test_files_beside_each_other_are_compared_only_if_they_are_the_same(scans: Path) -> None:
    both = read((scans / "truth.laz", scans / "other.laz"), 10_000, None, None, False)
    assert both[1].truth is None and [s.name for s in both] == ["truth.laz", "other.laz"]
    (one,) = read(find((scans,)), 10_000, None, None, True)
    assert len(one) <= 10_000 and one.name == "3 files"


def test_what_is_refused(scans: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth = str(scans / "truth.laz")

    def refused(message: str, *arguments: str) -> None:
        assert main(["view", *arguments]) == 2
        errors = capsys.readouterr().err
        assert message in errors and errors.count("\n") == 1

    html, image = str(tmp_path / "a.html"), str(tmp_path / "a.png")
    refused("cannot be coloured by rgb; it can by class", truth, "--png", image, "--colour", "rgb")
    refused("coloured by error; there is class", truth, "--html", html, "--colour", "error")
    refused("no such file", str(tmp_path / "none.laz"), "--html", html)
    refused("no number of points", truth, "--points", "many", "--html", html)
    refused("no size of a picture", truth, "--png", image, "--size", "large")
    refused("two commands", truth, "--png", image, "--html", html)
    refused("goes with one file", truth, truth + "x", "--truth", truth, "--html", html)
    refused("does not exist", truth, "--html", str(tmp_path / "none" / "a.html"))
    refused("page.txt: name a file that ends in .html or .htm", truth, "--html", "page.txt")
    refused("a.html: name a file that ends in .png", truth, "--png", html)
    refused("--png name: name a file that ends in .png", truth, "--png", "name")
    refused("no such model", truth, "-m", str(tmp_path / "m.safetensors"), "--html", html)
    assert not any(tmp_path.iterdir())


def test_numbers_of_points() -> None:
    assert [number(t) for t in ("2M", "500k", "12,000")] == [2_000_000, 500_000, 12_000]
    with pytest.raises(ConfigError):
        number("0")


def test_report(
    town_scenes: Path, town_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "new" / "report"
    arguments = ["-m", str(town_model), "--data", str(town_scenes), "--name", "<b>tiny</b>"]
    assert main(["evaluate", *arguments, "--report", str(folder)]) == 0
    out = capsys.readouterr()
    assert f"report: {folder / 'report.html'}" in out.err
    html = (folder / "report.html").read_text()
    assert "&lt;b&gt;tiny&lt;/b&gt;" in html and "<b>tiny" not in html and "<script" not in html
    assert html.count("data:image/png;base64,") == 4 and html.count("<svg") == 2
    miou = float(re.search(r"mIoU (\d+\.\d+)", out.out)[1])
    told = float(re.search(r"<b>(\d+\.\d)</b><span>mIoU %", html)[1])
    assert abs(told - miou) < 0.056  # each is rounded from the same figure
    assert all(name in html for name in ("ground", "building", "town-3", "versions", "torch"))
    assert sorted(p.name for p in (folder / "panels").iterdir()) == [
        f"town-3-{kind}.png" for kind in ("error", "input", "prediction", "truth")
    ]
    (tmp_path / "file").write_text("")
    assert main(["evaluate", *arguments, "--report", str(tmp_path / "file" / "x")]) == 2
    assert "cannot be created" in capsys.readouterr().err
