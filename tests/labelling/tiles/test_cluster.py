"""Prediction on a cluster of two processes: one result per tile, also when a worker is killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import salanet
from salanet.cli.main import main
from salanet.cli.predict import with_address
from salanet.datasets.town import town
from salanet.engine import open_runner
from salanet.labelling.buffer import touching
from salanet.labelling.margins import FOLDER, kept_for
from salanet.labelling.predict import PredictOptions, predict_file
from salanet.labelling.report import Report
from salanet.labelling.tiles import cluster
from salanet.labelling.tiles.cluster import Tile, connect, neighbourhoods, predict_tiles
from salanet.labelling.tiles.journal import NAME, Journal
from salanet.models import create_model

pytest.importorskip("distributed")
SIDE = 12.0  # metres of a tile


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A town cut into six tiles."""
    folder = tmp_path_factory.mktemp("tiles")
    cloud = town(3, size=3 * SIDE)
    at = ((cloud.xyz - cloud.xyz.min(axis=0)) // SIDE).astype(int).clip(0, 2)
    paths = []
    for x, y in np.ndindex(3, 2):
        path = folder / f"tile-{x}-{y}.laz"
        inside = (at[:, 0] == x) & (at[:, 1] == y)
        arrays = {name: array[inside] for name, array in cloud.arrays().items()}
        intensity, label = arrays.pop("intensity"), arrays.pop("label")
        part = salanet.PointCloud(
            cloud.xyz[inside], intensity=intensity, label=label, attributes=arrays
        )
        salanet.write(path, part)
        paths.append(path)
    return paths


@pytest.fixture(scope="module")
def model_file(
    shaken: Callable[[torch.nn.Module], torch.nn.Module], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    torch.manual_seed(0)
    made = create_model(
        in_channels=6,
        features=["one", "intensity", "returns", "height_above_ground"],
        classes=["a", "b", "c"],
        width=4,
        grid=0.5,
        metadata={"intensity_scale": 1000.0},
    )
    shaken(made)
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    salanet.save(made, path)
    return path


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with connect(None, workers=2) as made:
        yield made


def test_a_killed_worker_costs_no_result(
    tiles: list[Path], model_file: Path, client: Any, tmp_path: Path
) -> None:
    model = open_runner(model_file)
    work = [
        Tile(
            path,
            tmp_path / path.name,
            PredictOptions(probabilities=True, neighbours=near, margins=True),
        )
        for path, near in zip(tiles, neighbourhoods(model, tiles), strict=True)
    ]
    reports: dict[int, Report] = {}

    def done(i: int, report: Report) -> None:
        if not reports:
            os.kill(report.pid, signal.SIGKILL)
        assert i not in reports
        reports[i] = report

    with kept_for(tile.to for tile in work):
        predict_tiles(client, work, model, done)
        assert len([*(tmp_path / FOLDER).glob("*/")]) == 6
    assert sorted(reports) == list(range(6))
    assert not [report.error for report in reports.values() if report.error]
    assert len({report.pid for report in reports.values()}) > 1
    assert sorted(path.name for path in tmp_path.iterdir()) == [path.name for path in tiles]
    for i, tile in enumerate(work):
        alone = tmp_path / "alone.laz"
        report = predict_file(model, tile.path, alone, replace(tile.options, margins=False))
        assert tile.to.read_bytes() == alone.read_bytes()
        assert reports[i].points == report.points
        assert salanet.read(alone).attributes["p_a"].std() > 0


def test_tiles_that_fail_and_workers_that_die_of_one(
    tiles: list[Path],
    model_file: Path,
    client: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken, deadly = tmp_path / "broken.laz", tmp_path / "deadly.laz"
    broken.write_bytes(b"LASF and nothing else")
    deadly.write_bytes(b"")
    work = [Tile(p, tmp_path / f"out-{p.name}", PredictOptions()) for p in (deadly, broken, *tiles)]

    def label(tile: Tile, digest: str, threads: int) -> Report:
        from salanet.labelling.tiles.cluster import label as honest  # the worker's own

        if tile.path.name == "deadly.laz":
            os._exit(1)
        return honest(tile, digest, threads)

    monkeypatch.setattr(cluster, "label", label)
    reports: dict[int, Report] = {}
    predict_tiles(client, work, model_file, reports.__setitem__)
    errors = {i: report.error for i, report in reports.items() if report.error}
    assert sorted(reports) == list(range(8)) and sorted(errors) == [0, 1]
    assert "worker that had it died" in errors[0] and "broken.laz" in errors[1]


def test_from_the_command_line(
    tiles: list[Path], model_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, broken = tmp_path / "out", tmp_path / "broken.laz"
    broken.write_bytes(b"nothing")
    inputs = [str(path) for path in (*tiles[:3], broken)]
    command = ["predict", *inputs, "-m", str(model_file), "-o", str(out), "--workers", "1"]
    assert main([*command, "--json", "--cluster"]) == 2
    said = capsys.readouterr()
    reports = {Path(report["input"]).name: report for report in json.loads(said.out)}
    assert "failed: " in said.err and "broken.laz" in reports["broken.laz"]["error"]
    made = sorted(path.name for path in out.iterdir())
    assert made == [NAME, *(f"{path.stem}.labelled.laz" for path in tiles[:3])]

    first = out / made[1]
    before = {path: path.stat().st_mtime_ns for path in out.glob("*.laz")}
    first.unlink()
    assert main([*command[:4], *command[5:], "--cluster", "--resume"]) == 0
    assert "3 of 3 tiles done" in capsys.readouterr().out
    after = {path: path.stat().st_mtime_ns for path in out.glob("*.laz")}
    assert [path.name for path in after if before[path] != after[path]] == [first.name]


def test_rules_and_results_in_place(
    tiles: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As without a cluster, and back."""
    for path in tiles[:2]:
        shutil.copy(path, tmp_path)
    paths = sorted(tmp_path.iterdir())
    former = [path.read_bytes() for path in paths]
    labels = np.concatenate([salanet.read(path).label for path in paths])
    options = ["-m", "aerial", "--units", "m", "--keep", "6", "--min-confidence", "0.6"]
    command = ["predict", *map(str, paths), *options]
    assert main([*command, "-o", str(tmp_path / "out")]) == 0
    expected = [path.read_bytes() for path in sorted((tmp_path / "out").iterdir())]
    capsys.readouterr()
    assert main([*command, "--in-place", "--cluster", "--workers", "1"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert [path.read_bytes() for path in paths] == expected
    (row,) = (line.split() for line in said if line.startswith("6 building "))
    assert row[2] == f"{(labels == 6).sum():,}" and {*row[3:]} == {"-"}
    assert main([*command, "--in-place", "--cluster", "--resume"]) == 0
    assert main(["predict", *map(str, paths), "--restore"]) == 0
    assert [path.read_bytes() for path in paths] == former
    assert sorted(tmp_path.iterdir()) == [tmp_path / "out", *paths]


def test_neighbours_of_many_are_those_of_each(tiles: list[Path], tmp_path: Path) -> None:
    other = tmp_path / "text.xyz"
    other.write_text("1 2 3\n")
    model = create_model(in_channels=1, features=["one"], classes=["a", "b"], width=2, grid=0.05)
    files = [tiles[4], other, *tiles[:4], tiles[5]]
    found = neighbourhoods(model, files)
    assert found == [touching(model, path, files) for path in files]
    assert found[0] and found[1] == () and max(map(len, found)) < 6
    assert neighbourhoods(model, [other]) == [()]


def test_the_journal_knows_what_is_made(tmp_path: Path) -> None:
    path, to, options = tmp_path / "in.laz", tmp_path / "out.laz", PredictOptions()
    path.write_text("in"), to.write_text("out")
    Journal(tmp_path, "a model").add(path, to, options, points=7)
    with (tmp_path / NAME).open("a") as file:
        file.write('{"output": {"na')  # killed while it wrote
    journal = Journal(tmp_path, "a model")
    assert journal.has(path, to, options) and journal.points(to) == 7
    assert journal.has(path, to, PredictOptions(resume=True, memory=10**9, margins=True))
    assert not journal.has(path, to, PredictOptions(votes=2))
    assert not Journal(tmp_path, "another model").has(path, to, options)
    assert not journal.has(path, tmp_path / "other.laz", options)
    path.write_text("changed")
    assert not Journal(tmp_path, "a model").has(path, to, options)


@pytest.mark.parametrize(
    "left",
    [
        b'{"output": {"na',
        b"\0\0\0\0",
        b"\xff\xfe",
        b"[]\n{}\n7\n",
        b'{"output": {"name": "out.laz"}}\n',
        b'{"output": {"name": "out.laz"}, "points": Infinity}\n',
        b'{"output": {"name": "out.laz"}, "points": "many"}\n',
    ],
)
def test_a_journal_with_damaged_lines(tmp_path: Path, left: bytes) -> None:
    path, to, options = tmp_path / "in.laz", tmp_path / "out.laz", PredictOptions()
    path.write_text("in"), to.write_text("out")
    (tmp_path / NAME).write_bytes(left)
    assert not Journal(tmp_path, "a model").has(path, to, options)
    Journal(tmp_path, "a model").add(path, to, options, points=7)
    assert Journal(tmp_path, "a model").has(path, to, options), "the line after a torn one counts"


@pytest.mark.parametrize(
    "given, filled",
    [
        (["a.laz", "--cluster"], ["a.laz", "--cluster", "local"]),
        (["--cluster", "tiles", "-m", "m"], ["--cluster", "local", "tiles", "-m", "m"]),
        (["--cluster", "tcp://host:8786", "a"], ["--cluster", "tcp://host:8786", "a"]),
        (["--cluster", "host:8786"], ["--cluster", "host:8786"]),
        (["--cluster", "local", "a"], ["--cluster", "local", "a"]),
    ],
)
def test_the_address_is_optional(given: list[str], filled: list[str]) -> None:
    assert with_address(given) == filled
