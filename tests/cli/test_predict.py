"""`salanet predict`: the same file out, with classes; nothing half-written."""

from __future__ import annotations

import json
from pathlib import Path

import laspy
import numpy as np
import pytest

from salanet import read, write
from salanet.cli.main import main
from salanet.cloud import PointCloud
from salanet.datasets.town import town

CODES = {2, 4, 5, 6, 1}


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    write(folder / "scan.laz", town(9, size=24))
    return folder / "scan.laz"


def test_only_the_classification_changes(
    town_model: Path, scan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.laz"
    assert main(["predict", str(scan), "-m", str(town_model), "-o", str(out), "--json"]) == 0
    (report,) = json.loads(capsys.readouterr().out)
    before, after = laspy.read(scan), laspy.read(out)
    for name in before.point_format.dimension_names:
        if name != "classification":
            assert (before[name] == after[name]).all(), name
    assert set(np.unique(after.classification)) <= CODES
    truth = np.asarray(before.classification)
    assert (np.asarray(after.classification) == truth).mean() > 0.7
    assert report["points"] == len(truth) == sum(report["classes"].values())
    counts = np.bincount(after.classification, minlength=7)
    assert report["classes"]["building"] == counts[6]
    assert report["peak_memory_bytes"] > 1e7


def test_probabilities_are_written_beside_the_label(
    town_model: Path, scan: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.laz"
    arguments = ["-m", str(town_model), "-o", str(out), "--probabilities", "--votes", "2"]
    assert main(["predict", str(scan), *arguments]) == 0
    cloud = read(out)
    names = ["ground", "shrub", "tree", "building", "car"]
    shares = np.stack([cloud.attributes[f"p_{name}"] for name in names], axis=1)
    assert shares.dtype == np.float32
    np.testing.assert_allclose(shares.sum(1), 1, atol=1e-5)
    assert (np.array([2, 4, 5, 6, 1])[shares.argmax(1)] == cloud.label).all()


def test_names_of_outputs(town_model: Path, scan: Path, tmp_path: Path) -> None:
    other = scan.with_name("other.ply")
    write(other, town(10, size=16))
    assert main(["predict", str(scan), "-m", str(town_model)]) == 0
    assert scan.with_name("scan.labelled.laz").exists()
    folder = tmp_path / "many" / "deep"
    assert main(["predict", str(scan), str(other), "-m", str(town_model), "-o", str(folder)]) == 0
    assert sorted(p.name for p in folder.iterdir()) == ["other.labelled.ply", "scan.labelled.laz"]
    assert len(read(folder / "other.labelled.ply")) == len(read(other))


def test_columns_of_text_files(town_model: Path, tmp_path: Path) -> None:
    cloud = town(5, size=16)
    returns = [cloud.attributes[name] for name in ("return_number", "number_of_returns")]
    table = np.column_stack([cloud.intensity, cloud.xyz, *returns])
    np.savetxt(tmp_path / "scan.txt", table, fmt="%.3f")
    columns = "intensity,x,y,z,return_number,number_of_returns"
    arguments = [str(tmp_path / "scan.txt"), "-m", str(town_model), "-o", str(tmp_path / "o.ply")]
    assert main(["predict", *arguments]) == 2
    assert main(["predict", *arguments, "--columns", columns]) == 0
    labelled = read(tmp_path / "o.ply")
    np.testing.assert_allclose(labelled.xyz, cloud.xyz, atol=1e-3)
    assert labelled.label is not None and set(np.unique(labelled.label)) <= CODES


def test_a_dry_run_writes_nothing(
    town_model: Path, scan: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", str(scan), "-m", str(town_model), "--dry-run"]) == 0
    assert "scan.labelled.laz" in capsys.readouterr().out
    assert [p.name for p in scan.parent.iterdir()] == ["scan.laz"]
    folder = scan.parent / "new" / "deep"
    assert main(["predict", str(scan), "-m", str(town_model), "--dry-run", "-o", str(folder)]) == 0
    assert not folder.parent.exists()


def test_one_point_and_two_identical_ones(town_model: Path, tmp_path: Path) -> None:
    for count in (1, 2):
        ones = np.ones(count, np.uint8)
        cloud = PointCloud(
            np.full((count, 3), 650_000.25),
            intensity=np.full(count, 700, np.float32),
            attributes={"return_number": ones, "number_of_returns": ones},
        )
        path = tmp_path / f"{count}.laz"
        write(path, cloud)
        assert main(["predict", str(path), "-m", str(town_model)]) == 0
        assert len(read(tmp_path / f"{count}.labelled.laz")) == count


def refused(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str, folder: Path
) -> None:
    """One line, exit 2, nothing new in the folder."""
    before = sorted(folder.rglob("*"))
    assert main(["predict", *arguments]) == 2
    errors = capsys.readouterr().err
    assert message in errors and errors.count("\n") == 1, errors
    assert sorted(folder.rglob("*")) == before


def test_bad_inputs(
    town_model: Path, scan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = ["-m", str(town_model)]
    nan = town(1, size=8)
    nan.xyz[:, 1] = np.nan
    write(tmp_path / "nan.ply", nan)
    write(tmp_path / "bare.ply", PointCloud(np.random.default_rng(0).normal(size=(50, 3))))
    (tmp_path / "empty.laz").touch()
    (tmp_path / "cut.laz").write_bytes(scan.read_bytes()[:-2000])
    (tmp_path / "notes.docx").write_text("x")
    for name, message in {
        "nan.ply": "points has finite coordinates",
        "bare.ply": "needs 'intensity'",
        "empty.laz": "empty",
        "cut.laz": "cut.laz",
        "notes.docx": "suffix",
        "none.laz": "no such file",
    }.items():
        refused(capsys, [str(tmp_path / name), *model], message, tmp_path)


def test_bad_outputs_are_found_before_the_work(
    town_model: Path,
    scan: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise AssertionError("work was done")

    monkeypatch.setattr("salanet.engine.segmentation", fail)
    model = ["-m", str(town_model)]
    for output, message in {
        str(scan): "is an input and would be overwritten",
        str(tmp_path / "none" / "out.laz"): "cannot write here",
        str(tmp_path / "out.docx"): "unknown suffix",
        "/proc/out.laz": "cannot write here",
        "/proc/new/deep": "cannot write here",
        str(scan / "deep"): "cannot write here",
    }.items():
        refused(capsys, [str(scan), *model, "-o", output], message, tmp_path)
    (tmp_path / "link.laz").symlink_to(scan)
    link = str(tmp_path / "link.laz")
    refused(capsys, [str(scan), *model, "-o", link], "is an input", tmp_path)
    refused(capsys, [*model], "at least one file", tmp_path)
    refused(capsys, [str(scan), *model, "--votes", "0"], "at least 1", tmp_path)


def test_ctrl_c_leaves_nothing(
    town_model: Path,
    scan: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import salanet.io.las.clouds

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(salanet.io.las.clouds, "write", interrupted)
    out = tmp_path / "out.laz"
    assert main(["predict", str(scan), "-m", str(town_model), "-o", str(out)]) == 130
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in"]


def test_one_failing_file_does_not_stop_the_others(
    town_model: Path, scan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = scan.parent
    write(folder / "b.ply", town(10, size=16))
    (folder / "bad.laz").write_bytes(scan.read_bytes()[:-2000])
    out = tmp_path / "out"
    arguments = ["predict", str(folder), "-m", str(town_model)]
    assert main([*arguments, "-o", str(out), "--json"]) == 2
    printed, err = capsys.readouterr()
    assert ["error" in r for r in json.loads(printed)] == [False, False, True]
    assert "2 of 3 files done; these failed:" in err and "bad.laz: cut short" in err
    assert sorted(p.name for p in out.iterdir()) == ["b.labelled.ply", "scan.labelled.laz"]
    (folder / "bad.laz").unlink()
    for _ in range(2):  # what it wrote itself is no input of the second run
        assert main(arguments) == 0
    names = ["b.labelled.ply", "b.ply", "scan.labelled.laz", "scan.laz"]
    assert sorted(p.name for p in folder.iterdir()) == names


def test_e57_becomes_laz(scan: Path) -> None:
    from salanet.errors import FileError
    from salanet.labelling.outputs import plan_outputs

    path = scan.with_name("hall.e57")
    path.touch()
    assert plan_outputs([path], None) == [scan.with_name("hall.labelled.laz")]
    assert plan_outputs([path], scan.with_name("hall.ply")) == [scan.with_name("hall.ply")]
    with pytest.raises(FileError, match="read only"):
        plan_outputs([path], scan.with_name("other.e57"))
