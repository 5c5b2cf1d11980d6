"""`salanet info`, and what holds for every command that takes many files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from salanet import PointCloud, write
from salanet.cli.main import main
from salanet.datasets.town import town
from salanet.errors import FileError
from salanet.io.find import expand


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    folder = tmp_path / "scans"
    (folder / "deep").mkdir(parents=True)
    write(folder / "a.laz", town(1, size=12))
    write(folder / "deep" / "b.pcd", town(2, size=12))
    (folder / "notes.md").write_text("no cloud")
    return folder


def test_a_table_for_people(scans: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(scans / "a.laz")]) == 0
    out = capsys.readouterr().out
    for text in ("LAZ 1.4", "points", "no reference system", "return_number", "building"):
        assert text in out


def test_absurd_coordinates_are_short(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    xyz = np.random.default_rng(0).uniform(0, 3, (400, 3))
    xyz[7], xyz[8] = 1e200, -1e200
    np.savetxt(tmp_path / "a.xyz", xyz)
    assert main(["info", str(tmp_path / "a.xyz")]) == 0
    said = capsys.readouterr()
    assert "z -1e+200 to 1e+200, 2e+200 long" in said.out
    assert "2 points lie more than 1,000,000 km from the rest" in said.out
    assert "x -1e+200 to 1e+200" in repr(PointCloud(xyz))


def test_what_predict_would_make_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from salanet import model_file
    from salanet.models import create_model, save

    model = create_model(
        width=4,
        in_channels=4,
        features=("one", "intensity", "returns"),
        classes=("a", "b"),
        grid=0.5,
        metadata={"domain": "airborne", "intensity_scale": 1000.0},
    )
    monkeypatch.setattr(model_file, "FOLDER", tmp_path / "weights")
    write(tmp_path / "a.laz", town(1, size=60))
    assert main(["info", str(tmp_path / "a.laz"), "--json"]) == 0
    (report,) = json.loads(capsys.readouterr().out)
    assert report["prediction"]["model"] is None and report["prediction"]["domain"] == "airborne"
    assert report["prediction"]["spacing"] == pytest.approx(0.36, rel=0.2)
    (tmp_path / "weights").mkdir()
    save(model, tmp_path / "weights" / "aerial.safetensors")
    assert main(["info", str(tmp_path / "a.laz")]) == 0
    out = capsys.readouterr().out
    assert "salanet predict would take: aerial" in out
    assert "in a cell of the model aerial" in out and "points per m² of the occupied area" in out
    assert "note: the file has no reference system; taken to be in metres" in out


def test_what_the_user_knows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cloud = town(1, size=30)
    cloud.xyz = cloud.xyz[:, [0, 2, 1]] * 100
    write(tmp_path / "a.npz", cloud)
    assert main(["info", str(tmp_path / "a.npz"), "--units", "cm", "--up", "y", "--json"]) == 0
    (report,) = json.loads(capsys.readouterr().out)
    assert report["prediction"]["scale"] == [0.01] * 3
    assert any("y is up, as asked" in remark for remark in report["prediction"]["remarks"])


def test_json_of_a_folder(scans: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(scans), "--json"]) == 0
    first, second = json.loads(capsys.readouterr().out)
    assert [Path(d["path"]).name for d in (first, second)] == ["a.laz", "b.pcd"]
    assert first["points"] == len(town(1, size=12))
    assert sum(second["classes"].values()) == second["points"]
    assert {a["name"] for a in second["attributes"]} >= {"intensity", "label", "return_number"}


def test_a_bad_file_stops_no_other(scans: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (scans / "bad.laz").write_bytes((scans / "a.laz").read_bytes()[:300])
    assert main(["info", str(scans), str(scans / "none.ply"), "--json"]) == 2
    out, err = capsys.readouterr()
    reports = json.loads(out)
    assert [("error" in r) for r in reports] == [False, False, True, True]
    assert "2 of 4 files done; these failed:" in err
    assert "bad.laz: cut short" in err and "none.ply: no such file" in err


def test_folders_and_patterns(scans: Path, tmp_path: Path) -> None:
    a, b = scans / "a.laz", scans / "deep" / "b.pcd"
    assert expand([scans]) == [a, b]
    assert expand([scans / "*"]) == [a]
    assert expand([Path(f"{scans}/**/*.pcd")]) == [b]
    assert expand([a, scans, a]) == [a, b]
    write(scans / "a.labelled.laz", town(1, size=12))
    assert expand([scans], skip=".labelled") == [a, b]
    assert expand([scans / "a.labelled.laz"], skip=".labelled") == [scans / "a.labelled.laz"]
    assert expand([tmp_path / "none.laz"]) == [tmp_path / "none.laz"]
    for path in (scans / "*.ply", tmp_path / "empty"):
        (tmp_path / "empty").mkdir(exist_ok=True)
        with pytest.raises(FileError, match="no point cloud here"):
            expand([path])


def test_no_file_at_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info"]) == 2
    assert "at least one file" in capsys.readouterr().err
