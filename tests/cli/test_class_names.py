"""What classes are called is known to every command that gets a labelled file."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from salanet import read, write
from salanet.cli.main import main
from salanet.cloud import PointCloud
from salanet.datasets.town import town

CLASSES = ("ceiling", "wall [/bold]", "</script><script>alert(1)</script>", "one", "two\x1b[31m")
CODES = [0, 2, 70, 6, 6]
NAMES = {0: CLASSES[0], 2: CLASSES[1], 6: "one/two [31m", 70: CLASSES[2]}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    from salanet.models import create_model, save

    network = create_model(width=4, in_channels=1, features=("one",), classes=CLASSES, grid=0.5)
    save(network, tmp_path / "model.safetensors", {"codes": CODES})
    return tmp_path / "model.safetensors"


@pytest.fixture(params=[".ply", ".laz"])
def labelled(
    request: pytest.FixtureRequest, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Path:
    suffix = request.param
    write(tmp_path / f"scan{suffix}", PointCloud(town(9, size=12).xyz))
    assert main(["predict", str(tmp_path / f"scan{suffix}"), "-m", str(model)]) == 0
    out = capsys.readouterr().out
    for code, name in zip(CODES[:4], CLASSES, strict=False):
        assert re.search(rf"│ +{code} │ {re.escape(name)}", out)
    assert out.count("the file names them") == (suffix == ".laz")
    path = tmp_path / f"scan.labelled{suffix}"
    cloud = read(path)
    assert cloud.class_names == NAMES
    cloud.label = np.resize([0, 2, 6, 70], len(cloud))
    write(path, cloud)
    return path


def test_info(labelled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(labelled)]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in NAMES.values()) and "\x1b" not in out
    assert main(["info", str(labelled), "--json"]) == 0
    (report,) = json.loads(capsys.readouterr().out)
    assert report["class_names"] == {str(code): name for code, name in NAMES.items()}


def test_view(labelled: Path, model: Path, tmp_path: Path) -> None:
    heads = []
    for i, more in enumerate([[], ["-m", str(model)]]):
        page = tmp_path / f"{i}.html"
        assert not main(["view", str(labelled), "--html", str(page), *more])
        text = page.read_text()
        assert "<script>alert" not in text
        heads.append(json.loads(re.search(r'id="head">(.*?)</script>', text, re.S)[1])["classes"])
    assert [c["name"] for c in heads[0]] == [NAMES[c["code"]] for c in heads[0]]
    assert [c["code"] for c in heads[0]] == [*NAMES] == [c["code"] for c in heads[1]]
    assert heads[1][0] == heads[0][0]


def test_the_report_lists_codes(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "scan.pcd", PointCloud(town(9, size=12).xyz))
    assert main(["predict", str(tmp_path / "scan.pcd"), "-m", str(model), "--json"]) == 0
    (report,) = json.loads(capsys.readouterr().out)
    assert report["codes"] == CODES and [*report["classes"]] == [*CLASSES]


@pytest.mark.parametrize("name", ["rooms", "aerial"])
def test_colours_do_not_depend_on_naming_the_model(name: str) -> None:
    from salanet import model_file
    from salanet.view import Classes

    if name not in model_file.names():
        pytest.skip(f"this installation comes without {name}")
    entry = model_file.find(name)
    names = dict(zip(entry.card.codes, entry.config.classes, strict=True))
    by_name = Classes.of(names, names, {})
    given = dict(zip(names, map(tuple, entry.card.colours), strict=True))
    assert dict(zip(by_name.codes, by_name.colours, strict=True)) == given


def test_suggested_classes_are_those_of_the_file(tmp_path: Path) -> None:
    from salanet.datasets.files import suggest_classes

    cloud = PointCloud(
        np.zeros((3, 3)), label=np.array([2, 3, 4]), class_names={2: "a,b=c", 3: "x"}
    )
    write(tmp_path / "a.ply", cloud)
    assert suggest_classes(tmp_path / "a.ply") == "a b c=2,x=3,class 4=4"
