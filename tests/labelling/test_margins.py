"""Margins: the same results, each neighbour decoded once, and never a wrong answer."""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import salanet
from salanet.adapt.alignment import Alignment
from salanet.cli.main import main
from salanet.datasets.town import town
from salanet.engine import Runner, open_runner
from salanet.io.las.rows import RowReader, RowWriter
from salanet.labelling.buffer import Buffer, header_bounds, touching
from salanet.labelling.margins import FOLDER, INDEX, Margin, kept_for
from salanet.labelling.predict import PredictOptions, predict_file
from salanet.models import create_model

SIDE = 20.0  # metres of a tile; the network reaches 6 m
KEEP = ["intensity", "rgb", "return_number"]


@pytest.fixture(scope="module")
def model_file(
    shaken: Callable[[torch.nn.Module], torch.nn.Module], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    torch.manual_seed(0)
    features = ["one", "intensity", "returns"]
    made = create_model(
        in_channels=4,
        features=features,
        classes=["a", "b", "c"],
        width=4,
        grid=0.1,
        metadata={"intensity_scale": 1000.0},
    )
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    salanet.save(shaken(made), path)
    return path


@pytest.fixture(scope="module")
def model(model_file: Path) -> Runner:
    return open_runner(model_file)


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A town cut into nine tiles."""
    folder = tmp_path_factory.mktemp("tiles")
    cloud = town(5, size=3 * SIDE, density=6)
    at = ((cloud.xyz - cloud.xyz.min(axis=0)) // SIDE).astype(int).clip(0, 2)
    paths = [folder / f"tile-{x}-{y}.laz" for x, y in np.ndindex(3, 3)]
    for path, place in zip(paths, np.ndindex(3, 3), strict=True):
        salanet.write(path, cloud.rows((at[:, :2] == place).all(axis=1)))
    return paths


@pytest.fixture(scope="module")
def expected(
    model: Runner, tiles: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    """The results where each neighbour is read whole."""
    folder = tmp_path_factory.mktemp("expected")
    label(model, tiles, folder, margins=False)
    assert not (folder / FOLDER).exists()
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def label(
    model: Runner, tiles: list[Path], folder: Path, margins: bool = True, only: int | None = None
) -> list[str]:
    """Label tiles, or only one of them; returns the remarks."""
    remarks = []
    for path in tiles if only is None else [tiles[only]]:
        near = touching(model, path, tiles)
        options = PredictOptions(probabilities=True, neighbours=near, margins=margins)
        remarks += predict_file(model, path, folder / path.name, options).remarks
    return remarks


def test_the_same_results_and_every_tile_decoded_once_more(
    model: Runner,
    tiles: list[Path],
    expected: dict[str, bytes],
    passes: Counter[str],
    tmp_path: Path,
) -> None:
    with kept_for(tmp_path / path.name for path in tiles):
        remarks = label(model, tiles, tmp_path)
        assert len([*(tmp_path / FOLDER).glob("*/margin.json")]) == 9
    assert not [remark for remark in remarks if "neighbouring" in remark and "seen" not in remark]
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == expected
    summary, sort, write, margin = 1, 1, 1, 1
    assert {*passes.values()} == {summary + sort + write + margin}


def test_strips_stay_when_the_run_is_interrupted(tmp_path: Path) -> None:
    (tmp_path / FOLDER / "some").mkdir(parents=True)
    with suppress(KeyboardInterrupt), kept_for([tmp_path / "a.laz"]):
        raise KeyboardInterrupt
    assert (tmp_path / FOLDER / "some").is_dir()
    with kept_for([tmp_path / "a.laz", tmp_path / "other" / "b.laz"]):
        pass
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("what", ["part", "index", "cut", "gone"])
def test_a_damaged_strip_is_made_anew(
    model: Runner,
    tiles: list[Path],
    expected: dict[str, bytes],
    passes: Counter[str],
    tmp_path: Path,
    what: str,
) -> None:
    label(model, tiles, tmp_path, only=0)
    for folder in (tmp_path / FOLDER).glob("*/"):
        for path in [folder / INDEX] if what == "index" else folder.glob("*.laz"):
            data = bytearray(path.read_bytes())
            data[len(data) // 2] ^= 1
            path.write_bytes(data[: -5 if what == "cut" else None])
            if what == "gone":
                path.unlink()
    passes.clear()
    label(model, tiles, tmp_path, only=0)
    assert sorted(passes.values()) == [1] * 8 + [3], "each neighbour once"
    assert (tmp_path / tiles[0].name).read_bytes() == expected[tiles[0].name]


def test_a_margin_of_another_version_of_the_file_is_not_used(
    model: Runner, tiles: list[Path], tmp_path: Path
) -> None:
    paths = [tmp_path / path.name for path in tiles[:2]]
    for path, tile in zip(paths, tiles, strict=False):
        path.write_bytes(tile.read_bytes())
    out = tmp_path / "out"
    out.mkdir()
    label(model, paths, out, only=0)
    cloud = salanet.read(paths[1])
    cloud.xyz[:, 2] += 3 * (cloud.xyz[:, 0] % 2 > 1)
    salanet.write(paths[1], cloud)
    label(model, paths, out, only=0)
    assert len([*(out / FOLDER).glob("*/")]) == 2
    found = (out / paths[0].name).read_bytes()
    label(model, paths, out, margins=False, only=0)
    assert (out / paths[0].name).read_bytes() == found


def test_a_strip_that_takes_too_long_is_done_without(
    model: Runner,
    tiles: list[Path],
    expected: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Margin, "ready", lambda *_, **__: False)
    label(model, tiles, tmp_path, only=4)
    assert (tmp_path / tiles[4].name).read_bytes() == expected[tiles[4].name]


def test_a_full_disk_costs_time_only(
    model: Runner,
    tiles: list[Path],
    expected: dict[str, bytes],
    passes: Counter[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(RowWriter, "append", full)
    remarks = label(model, tiles, tmp_path, only=4)
    assert sum("nothing can be kept" in r and "free some space" in r for r in remarks) == 1
    assert (tmp_path / tiles[4].name).read_bytes() == expected[tiles[4].name]
    assert sorted(passes.values()) == [1] * 7 + [2, 3]
    assert not [*(tmp_path / FOLDER).glob("*/")]


@pytest.mark.parametrize("breaks", [0, 2])
def test_the_network_sees_the_same_piece_by_piece(
    model: Runner, tiles: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, breaks: int
) -> None:
    """Whether all of a margin can be read or not."""
    bounds = header_bounds(tiles[4])
    assert bounds is not None
    until, asked = RowReader.until, [0]

    def broken(self: RowReader, number: int) -> object:
        asked[0] += 1
        if breaks and asked[0] % breaks == 0:
            raise OSError(errno.EIO, "Input/output error")
        return until(self, number)

    monkeypatch.setattr(RowReader, "until", broken)
    keep = ["intensity", "return_number", "number_of_returns"]
    pieces = {}
    for margins in (False, True):
        border = Buffer(model, tmp_path / "o.laz", Alignment(), bounds, keep, 300, margins, [])
        pieces[margins] = [*border.clouds(tiles)]
    assert asked[0] > 10 and len(pieces[True]) == len(pieces[False]) > 9
    for part, full in zip(pieces[True], pieces[False], strict=True):
        np.testing.assert_array_equal(part.xyz, full.xyz)
        assert [*part.arrays()] == [*full.arrays()]
        for name, array in full.arrays().items():
            np.testing.assert_array_equal(part.arrays()[name], array)
            assert part.arrays()[name].dtype == array.dtype


def test_a_damaged_neighbour_is_no_different(
    model: Runner, tiles: list[Path], tmp_path: Path
) -> None:
    paths = [tmp_path / path.name for path in tiles[:2]]
    paths[0].write_bytes(tiles[0].read_bytes())
    data = bytearray(tiles[1].read_bytes())
    data[len(data) // 2 : len(data) // 2 + 400] = bytes(400)
    paths[1].write_bytes(data)
    found = {}
    for margins in (False, True):
        out = tmp_path / str(margins)
        out.mkdir()
        found[margins] = (
            label(model, paths, out, margins, only=0),
            (out / paths[0].name).read_bytes(),
        )
    assert found[True] == found[False] and "not seen beyond" in " ".join(found[True][0])


def test_resumed_with_strips_or_without(
    model: Runner, tiles: list[Path], expected: dict[str, bytes], tmp_path: Path
) -> None:
    def progress(phase: str, *_: int) -> None:
        if phase == "cells":
            raise KeyboardInterrupt

    near, to = touching(model, tiles[4], tiles), tmp_path / tiles[4].name
    options = PredictOptions(probabilities=True, neighbours=near)
    with pytest.raises(KeyboardInterrupt):
        predict_file(model, tiles[4], to, options, progress)
    options = replace(options, resume=True, margins=True)
    with pytest.raises(KeyboardInterrupt):
        predict_file(model, tiles[4], to, options, progress)
    report = predict_file(model, tiles[4], to, replace(options, margins=False))
    assert report.remarks[0].startswith("continued")
    assert to.read_bytes() == expected[to.name]


def test_from_the_command_line(
    model_file: Path, tiles: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    command = ["predict", *map(str, tiles[:3]), "-m", str(model_file), "-o", str(out)]
    count, ready = [0], Margin.ready

    def counted(self: Margin, *arguments: float, **named: float) -> bool:
        count[0] += 1
        if count[0] == stop:
            raise KeyboardInterrupt
        return ready(self, *arguments, **named)

    monkeypatch.setattr(Margin, "ready", counted)
    stop = 3
    assert main(command) == 130
    assert (out / FOLDER).is_dir()
    stop = 0
    assert main([*command, "--dry-run"]) == 0 and (out / FOLDER).is_dir()
    assert main([*command, "--resume"]) == 0
    assert [path.name for path in sorted(out.iterdir())] == [
        f"{path.stem}.labelled.laz" for path in tiles[:3]
    ]
    count[0] = 0
    assert main([*command, "--no-buffer"]) == 0 and count[0] == 0
    assert not (out / FOLDER).exists()
