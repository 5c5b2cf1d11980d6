"""`predict --regularise`: in memory, piece by piece, with neighbours, with the rules."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import salanet
from salanet import Rules, read, write
from salanet.cli.main import main
from salanet.datasets.town import town
from salanet.engine import Runner, open_runner
from salanet.io.stream import Stream, open_stream
from salanet.labelling.memory import Plan
from salanet.labelling.predict import PredictOptions
from salanet.labelling.report import Report
from salanet.labelling.stream import Work
from salanet.labelling.workfolder import folder_of

REGULARISED = PredictOptions(regularise=True, confidence=True)


class Killed(BaseException):
    pass


@pytest.fixture(scope="module")
def model(town_model: Path) -> Runner:
    return open_runner(town_model)


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scan") / "town.laz"
    write(path, town(3, size=70, density=6))
    return path


@pytest.fixture(scope="module")
def regularised(model: Runner, scan: Path) -> Path:
    to = scan.with_name("regularised.laz")
    (report,) = salanet.label(scan, to, model, regularise=True, confidence=True)
    assert "read" in report.phases and report.regularised
    return to


def moved(report: Report) -> int:
    assert report.regularised is not None
    return sum(n for row in report.regularised.values() for n in row.values())


def test_islands_of_a_file_and_nothing_else(model: Runner, scan: Path, regularised: Path) -> None:
    to = scan.with_name("plain.laz")
    (plain,) = salanet.label(scan, to, model, confidence=True)
    assert plain.regularised is None and "regularised" not in plain.json()
    before, after = read(to), read(regularised)
    (report,) = salanet.label(scan, scan.with_name("again.laz"), model, regularise=True)
    changed = before.label != after.label
    assert 10 < changed.sum() < 0.1 * len(before)
    codes = dict(zip(report.classes, report.codes, strict=True))
    pairs, counts = np.unique(
        np.stack([before.label[changed], after.label[changed]], 1), axis=0, return_counts=True
    )
    found = {
        (codes[old], codes[new]): count
        for old, row in (report.regularised or {}).items()
        for new, count in row.items()
    }
    assert found == dict(zip(map(tuple, pairs.tolist()), counts.tolist(), strict=True))
    sure = before.attributes["confidence"]
    np.testing.assert_array_equal(after.attributes["confidence"], sure)  # the model's own
    assert sure[changed].mean() < sure.mean() and report.certainty == plain.certainty


def test_one_tile_is_the_whole_file(
    model: Runner, scan: Path, regularised: Path, tmp_path: Path
) -> None:
    """Tiles of the network may differ at their edges; those of regularising do not."""
    source = stream_of(scan, tmp_path / "o.laz")
    plan = Plan(7_000, 5_000, 10**9)
    report, _ = Work(model, source, tmp_path / "o.laz", REGULARISED, plan, silent).run()
    assert [*report.phases][-2:] == ["regularise", "write"]
    whole = read(regularised)
    np.testing.assert_array_equal(read(tmp_path / "o.laz").label, whole.label)
    pieces = Plan(7_000, 5_000, 16_000_000)
    again, _ = Work(
        model, stream_of(scan, tmp_path / "p.laz"), tmp_path / "p.laz", REGULARISED, pieces, silent
    ).run()
    assert (read(tmp_path / "p.laz").label == whole.label).mean() > 0.999
    assert abs(moved(again) - moved(report)) < 0.1 * moved(report)


def stream_of(path: Path, to: Path) -> Stream:
    found = open_stream(path, to)
    assert found is not None
    return found


def silent(_: str, done: int, total: int) -> None:
    assert 0 < done <= total


def test_many_tiles_after_one_network_pass(
    model: Runner, scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("salanet.labelling.settling.SITE_BYTES", 10**6)
    steps: list[str] = []
    plan = Plan(7_000, 5_000, 10**9)
    work = Work(
        model,
        stream_of(scan, tmp_path / "o.laz"),
        tmp_path / "o.laz",
        REGULARISED,
        plan,
        lambda phase, *_: steps.append(phase),
    )
    work.run()
    assert steps.count("regularise") > 5 and steps.count("network") == 1
    assert (tmp_path / "o.laz").read_bytes() == one_tile(model, scan, tmp_path)


def one_tile(model: Runner, scan: Path, folder: Path) -> bytes:
    to, plan = folder / "one.laz", Plan(7_000, 5_000, 10**12)
    Work(model, stream_of(scan, to), to, REGULARISED, plan, silent).run()
    return to.read_bytes()


def test_killed_and_resumed(
    model: Runner, scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("salanet.labelling.settling.SITE_BYTES", 10**6)
    to, plan, seen = tmp_path / "o.laz", Plan(7_000, 5_000, 10**9), list[str]()

    def progress(phase: str, *_: int) -> None:
        seen.append(phase)
        if phase == "regularise" and seen.count(phase) == 3 and "write" not in seen:
            raise Killed

    with pytest.raises(Killed):
        Work(model, stream_of(scan, to), to, REGULARISED, plan, progress).run()
    assert folder_of(to).is_dir()
    seen += ["write"]
    resumed = replace(REGULARISED, resume=True)
    report, _ = Work(model, stream_of(scan, to), to, resumed, plan, progress).run()
    assert report.remarks[0] == "continued what an earlier run left unfinished"
    assert seen.count("network") == 1
    assert to.read_bytes() == one_tile(model, scan, tmp_path)


def test_tiles_side_by_side(model: Runner, scan: Path, regularised: Path, tmp_path: Path) -> None:
    """Each sees the islands that reach beyond its edge as the whole file has them."""
    cloud, whole = read(scan), read(regularised)
    middle = float(np.median(cloud.xyz[:, 0]))
    halves = [cloud.xyz[:, 0] < middle, cloud.xyz[:, 0] >= middle]
    for number, half in enumerate(halves):
        write(tmp_path / f"{number}.laz", cloud.rows(half))
    reports = salanet.label(
        [tmp_path / "0.laz", tmp_path / "1.laz"], tmp_path / "out", model, regularise=True
    )
    for number, (half, report) in enumerate(zip(halves, reports, strict=True)):
        assert any("neighbouring files" in remark for remark in report.remarks)
        found = read(tmp_path / "out" / f"{number}.labelled.laz").label
        assert (found == whole.label[half]).mean() > 0.998
        assert moved(report) > 0


def test_with_the_rules(model: Runner, scan: Path, tmp_path: Path) -> None:
    """What keeps its code keeps it, and doubtful points stay without a class."""
    for memory in (None, "100MB"):
        to = tmp_path / "o.laz"
        rules = Rules(only="2", min_confidence=0.6)
        (report,) = salanet.label(scan, to, model, regularise=True, rules=rules, memory=memory)
        before, after = read(scan), read(to)
        others = before.label != 2
        np.testing.assert_array_equal(after.label[others], before.label[others])
        (plain,) = salanet.label(scan, tmp_path / "p.laz", model, rules=rules, memory=memory)
        assert report.unsure == plain.unsure
        doubted = read(tmp_path / "p.laz").label == 0
        np.testing.assert_array_equal(after.label == 0, doubted)


def test_command(
    town_model: Path, scan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["predict", str(scan), "-m", str(town_model), "-o", str(tmp_path / "o.laz")]
    assert main([*arguments, "--regularise"]) == 0
    assert "points took the class of what is around them: " in capsys.readouterr().out
    assert main([*arguments, "--regularise", "--json"]) == 0
    (report,) = json.loads(capsys.readouterr().out)
    assert report["regularised"] and all(
        old not in row for old, row in report["regularised"].items()
    )


def test_segment(model: Runner, scan: Path) -> None:
    cloud = read(scan)
    found = salanet.segment(model, cloud, regularise=True, probabilities=True)
    assert found.plain is not None and found.probabilities is not None
    np.testing.assert_array_equal(found.plain, found.probabilities.argmax(axis=1))
    assert 10 < (found.plain != found.labels).sum() < 0.1 * len(cloud)
    assert salanet.segment(model, cloud).plain is None


def test_on_a_cluster(town_model: Path, scan: Path, regularised: Path, tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    pytest.importorskip("cryptography")
    (report,) = salanet.label(
        scan,
        tmp_path / "o.laz",
        town_model,
        regularise=True,
        confidence=True,
        buffer=False,
        cluster="local",
        workers=1,
    )
    assert moved(report) > 0
    assert (tmp_path / "o.laz").read_bytes() == regularised.read_bytes()
