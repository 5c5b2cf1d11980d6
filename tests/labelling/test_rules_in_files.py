"""Existing classes in files of every kind, in memory and piece by piece."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import salanet
from salanet import Report, Rules, read, write
from salanet.cloud import PointCloud
from salanet.datasets.town import town
from salanet.errors import ConfigError, FileError
from salanet.labelling.watch import Watch
from salanet.labelling.workfolder import folder_of

SUFFIXES = [".las", ".laz", ".copc.laz", ".ply"]
STANDARD = {2: "ground", 7: "low noise", 9: "water", 17: "bridge", 64: "virtual"}
Codes = NDArray[np.int32]


@pytest.fixture(scope="module")
def planted() -> PointCloud:
    """A town of some thousand points, classed 0 and 1, and noise, water, a bridge, 64 planted."""
    cloud = town(5, size=30, density=8)
    cloud.xyz += np.array([650_000.0, 6_860_000, 100]) - np.floor(cloud.xyz.min(axis=0))
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, len(cloud)).astype(np.int32)
    x, y = (cloud.xyz[:, :2] - cloud.xyz[:, :2].min(axis=0)).T
    label[(x < 5) & (y < 8)] = 9
    label[(x > 20) & (x < 24)] = 17
    label[rng.choice(len(cloud), 40, replace=False)] = 7
    label[rng.choice(len(cloud), 20, replace=False)] = 64
    cloud.label, cloud.class_names = label, {}
    return cloud


@pytest.fixture(scope="module")
def files(planted: PointCloud, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("planted")

    def of(suffix: str) -> Path:
        path = folder / f"a{suffix}"
        if not path.exists():
            cloud = planted.rows(np.arange(len(planted)))
            cloud.class_names = STANDARD if suffix == ".ply" else {}
            write(path, cloud)
        return path

    return of


def label(path: Path, to: Path, rules: Rules, **more: Any) -> tuple[Codes, PointCloud, Report]:
    (report,) = salanet.label(path, to, "aerial", rules=rules, units="m", **more)
    found = read(to)
    assert found.label is not None
    return found.label, found, report


@pytest.fixture(scope="module")
def everywhere(files: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Codes:
    """The classes that the network has for all points but noise."""
    folder = tmp_path_factory.mktemp("everywhere")
    _, found, _ = label(files(".las"), folder / "o.las", Rules("7", into="model"))
    return found.attributes["model"].astype(np.int32)


# Off the millimetres of the points, so that none lies on an edge.
LEFT, RIGHT, LOW, HIGH = 650010.0005, 650040.0002, 6860000.0005, 6860030.0002
CORNERS = f"{LEFT} {LOW}, {RIGHT} {LOW}, {LEFT} {HIGH}, {LEFT} {LOW}"
CASES = {
    "default": (Rules(), lambda former, _: np.isin(former, [7, 9, 17, 64])),
    "keep": (Rules("water,noise"), lambda former, _: np.isin(former, [7, 9])),
    "only": (Rules(only="0,17"), lambda former, _: ~np.isin(former, [0, 17])),
    "both": (
        Rules("9", only="1-16"),
        lambda former, _: (former < 1) | (former == 9) | (former > 16),
    ),
    "within": (
        Rules(within=f"POLYGON(({CORNERS}))"),
        lambda former, xyz: (
            (xyz[:, 0] < LEFT)
            | (xyz[:, 0] + xyz[:, 1] > LEFT + HIGH)
            | (xyz[:, 1] < LOW)
            | np.isin(former, [7, 9, 17, 64])
        ),
    ),
}


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("case", CASES)
def test_what_is_kept(files: Callable[[str], Path], tmp_path: Path, case: str, suffix: str) -> None:
    rules, defined = CASES[case]
    path, before = files(suffix), read(files(suffix))
    former = before.label
    assert former is not None
    codes, found, report = label(path, tmp_path / f"o{suffix}", rules)
    pieces, streamed, told = label(path, tmp_path / f"s{suffix}", rules, memory="100MB")
    assert "sort" in told.phases and "read" in report.phases
    np.testing.assert_array_equal(streamed.xyz, before.xyz)
    np.testing.assert_array_equal(found.xyz, before.xyz)
    kept = defined(former, before.xyz)
    assert 0 < kept.sum() < len(kept)
    np.testing.assert_array_equal(codes[kept], former[kept])
    assert np.isin(codes[~kept], [1, 2, 3, 4, 5, 6, 7, 18]).all() and (codes != former).any()
    np.testing.assert_array_equal(pieces, codes)
    for one in (report, told):
        changes = {(o, n): c for o, row in one.changes.items() for n, c in row.items()}
        pairs, counts = np.unique(np.stack([former, codes], 1), axis=0, return_counts=True)
        assert changes == dict(zip(map(tuple, pairs.tolist()), counts.tolist(), strict=True))
        values, counts = np.unique(former[kept], return_counts=True)
        assert one.kept == dict(zip(values.tolist(), counts.tolist(), strict=True))
        said = [r for r in one.remarks if " keep their class: " in r]
        assert len(said) == 1 and f"{kept.sum():,} points" in said[0]
        assert sum(one.classes.values()) == (~kept).sum()
    assert report.classes == told.classes and report.certainty == told.certainty
    names = {code: name for code, name in found.class_names.items() if code in (9, 17)}
    if suffix == ".ply":
        assert names == {c: STANDARD[c] for c in (9, 17) if c in codes} or case == "both"


def test_the_network_sees_what_is_kept(
    files: Callable[[str], Path], tmp_path: Path, everywhere: Codes
) -> None:
    """Only noise is no part of the scene: the other points get the labels they always get."""
    codes, _, _ = label(files(".las"), tmp_path / "o.las", Rules(only="0,1"))
    former = read(files(".las")).label
    assert former is not None
    chosen = former < 2
    np.testing.assert_array_equal(codes[chosen], everywhere[chosen])


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("memory", [None, "100MB"])
def test_into_an_attribute(
    files: Callable[[str], Path], tmp_path: Path, suffix: str, memory: str | None
) -> None:
    path, before = files(suffix), read(files(suffix))
    normal, _, _ = label(path, tmp_path / f"n{suffix}", Rules())
    codes, found, report = label(
        path, tmp_path / f"o{suffix}", Rules(into="model"), memory=memory, confidence=True
    )
    assert before.label is not None
    np.testing.assert_array_equal(codes, before.label)
    assert found.attributes["model"].dtype == np.uint8
    np.testing.assert_array_equal(found.attributes["model"], normal)
    assert found.class_names == before.class_names
    assert {*found.attributes} == {*before.attributes, "model", "confidence"}
    for name, values in before.attributes.items():
        np.testing.assert_array_equal(found.attributes[name], values)
    assert report.changes[9] == {9: report.kept[9]}


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("memory", [None, "100MB"])
def test_little_confidence(
    files: Callable[[str], Path], tmp_path: Path, suffix: str, memory: str | None
) -> None:
    path = files(suffix)
    former = read(path).label
    rules = Rules("7-255", min_confidence=0.7)
    normal, _, whole = label(path, tmp_path / f"n{suffix}", Rules("7-255"), memory=memory)
    codes, found, report = label(
        path, tmp_path / f"o{suffix}", rules, memory=memory, confidence=True
    )
    assert former is not None
    low = (found.attributes["confidence"] < 0.7) & (former < 2)
    none = -1 if suffix == ".ply" else 1
    assert 0 < low.sum() < len(low)
    np.testing.assert_array_equal(codes[low], none)
    np.testing.assert_array_equal(codes[~low], normal[~low])
    assert report.unsure == low.sum() and whole.unsure is None
    assert report.certainty and whole.certainty
    assert report.certainty.expected > whole.certainty.expected


def test_a_ply_without_labels(planted: PointCloud, tmp_path: Path) -> None:
    cloud = planted.rows(np.arange(len(planted)))
    cloud.label = None
    write(tmp_path / "a.ply", cloud)
    corners = "650010 6850000, 650090 6850000, 650090 6870000, 650010 6870000, 650010 6850000"
    area = f"POLYGON(({corners}))"
    inside = cloud.xyz[:, 0] >= 650010
    for memory in (None, "100MB"):
        rules = Rules(within=area)
        codes, _, report = label(tmp_path / "a.ply", tmp_path / "o.ply", rules, memory=memory)
        assert (codes[~inside] == -1).all() and (codes[inside] > 0).all()
        assert report.changes == {} and not any("keep their" in r for r in report.remarks)
        rules = Rules(into="model")
        (report,) = salanet.label(
            tmp_path / "a.ply", tmp_path / "i.ply", "aerial", rules=rules, memory=memory
        )
        found = read(tmp_path / "i.ply")
        assert found.label is None and found.class_names == {}
        np.testing.assert_array_equal(found.attributes["model"][inside], codes[inside])


@pytest.mark.parametrize(
    "suffix,to", [(s, s) for s in (".pcd", ".npz", ".csv")] + [(".las", ".ply")]
)
def test_formats_that_go_through_the_memory(
    files: Callable[[str], Path], tmp_path: Path, suffix: str, to: str
) -> None:
    path, before = files(suffix), read(files(suffix))
    former = before.label
    assert former is not None
    codes, _, report = label(
        path, tmp_path / f"o{to}", Rules("17", only="1-20", min_confidence=0.7)
    )
    kept = (former == 0) | (former == 17) | (former > 20)
    np.testing.assert_array_equal(codes[kept], former[kept])
    assert np.isin(codes[~kept], [-1, 1, 2, 3, 4, 5, 6, 7, 18]).all()
    assert (codes[~kept] == -1).sum() >= (report.unsure or 0) > 0
    codes, found, _ = label(path, tmp_path / f"i{to}", Rules(into="model"))
    np.testing.assert_array_equal(codes, former)
    assert (found.attributes["model"] != former).any()


def test_never_classified_is_as_without_rules(planted: PointCloud, tmp_path: Path) -> None:
    cloud = planted.rows(np.arange(len(planted)))
    assert cloud.label is not None
    cloud.label = (cloud.label > 0).astype(np.int32)
    write(tmp_path / "a.laz", cloud)
    label(tmp_path / "a.laz", tmp_path / "default.laz", Rules())
    _, _, report = label(tmp_path / "a.laz", tmp_path / "none.laz", Rules("none"))
    assert (tmp_path / "default.laz").read_bytes() == (tmp_path / "none.laz").read_bytes()
    assert report.kept == {} and {*report.changes} == {0, 1}


def test_many_files_with_neighbours(planted: PointCloud, tmp_path: Path) -> None:
    west = planted.xyz[:, 0] < np.median(planted.xyz[:, 0])
    for name, side in (("w", west), ("e", ~west)):
        write(tmp_path / f"{name}.laz", planted.rows(side))
    reports = salanet.label(
        [tmp_path / "w.laz", tmp_path / "e.laz"], tmp_path / "out", "aerial", rules=Rules("9")
    )
    for report, side in zip(reports, (west, ~west), strict=True):
        found = read(report.output).label
        assert planted.label is not None and found is not None
        water = planted.label[side] == 9
        assert (found[water] == 9).all() and (found[~water] != 9).all()
        assert report.kept.get(9, 0) == water.sum()


def test_resumed_with_other_rules(files: Callable[[str], Path], tmp_path: Path) -> None:
    class Stop(Watch):
        def progress(self, *told: object) -> None:
            if "write" in told:
                raise KeyboardInterrupt

    path, to = files(".laz"), tmp_path / "o.laz"
    for rules, said in ((Rules("9"), "continued what"), (Rules("17"), "removed the work folder")):
        with pytest.raises(KeyboardInterrupt):
            label(path, to, Rules("9"), memory="100MB", watch=Stop())
        assert folder_of(to).is_dir()
        codes, _, report = label(path, to, rules, memory="100MB", resume=True)
        assert report.remarks[0].startswith(said)
        whole, _, _ = label(path, tmp_path / "whole.laz", rules, memory="100MB")
        np.testing.assert_array_equal(codes, whole)


def test_refused_before_any_work(files: Callable[[str], Path], tmp_path: Path) -> None:
    for rules, message, memory in (
        (Rules("watr"), "no class is called 'watr'", None),
        (Rules(into="gps_time"), "has 'gps_time' already", "100MB"),
    ):
        with pytest.raises((ConfigError, FileError), match=message):
            label(files(".laz"), tmp_path / "o.laz", rules, memory=memory)
        with pytest.raises((ConfigError, FileError), match=message):
            label(files(".laz"), tmp_path / "o.laz", rules, memory=memory, dry_run=True)
    assert not [*tmp_path.iterdir()]
