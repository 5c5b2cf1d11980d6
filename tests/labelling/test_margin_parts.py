"""What a margin holds: all that a neighbour looks for, as the file has it, made by one of many."""

from __future__ import annotations

import multiprocessing
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import salanet
from salanet.datasets.town import town
from salanet.io.las.stream import LasStream
from salanet.labelling import margins as margins_module
from salanet.labelling.buffer import header_bounds
from salanet.labelling.margins import MIDDLE, Cut, Margin
from salanet.labelling.workfolder import locked

SIDE = 20.0  # metres of a tile; a network reaches 6 m
KEEP = ["intensity", "rgb", "return_number"]


@pytest.fixture(scope="module")
def tile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tile") / "tile.laz"
    salanet.write(path, town(5, size=SIDE, density=6))
    return path


def margin_of(path: Path, to: Path, side: str = "west") -> Margin:
    """The margin of a file for a neighbour of the same size on one side."""
    bounds = header_bounds(path)
    assert bounds is not None
    box = bounds[:, :2] + np.array([[-6.0, -6.0], [6.0, 6.0]])
    step = {"west": (-SIDE, 0), "north east": (SIDE, SIDE)}[side]
    return Margin.beside(to, LasStream(path), bounds, box + step, 6.0, KEEP)


def make(path: Path, to: Path) -> bool:
    return margin_of(path, to).ready(1000)


numbers = st.floats(-50, 50, allow_nan=False)
boxes = st.tuples(numbers, numbers, numbers, numbers).map(
    lambda c: np.sort(np.reshape(c, (2, 2)), axis=0)
)


@given(boxes, boxes, st.floats(0.01, 40), st.integers(0, 2**32 - 1))
@settings(max_examples=300, deadline=None)
def test_the_parts_hold_all_that_is_near(
    bounds: np.ndarray, own: np.ndarray, reach: float, seed: int
) -> None:
    box = own + np.array([[-reach], [reach]])
    cut = Cut.around(bounds, box, reach)
    touched = cut.touched(box)
    assert MIDDLE not in touched
    rng = np.random.default_rng(seed)
    low, high = np.minimum(bounds[0], box[0]) - 1, np.maximum(bounds[1], box[1]) + 1
    xy = np.concatenate([rng.uniform(low, high, (500, 2)), bounds, box, [cut.low, cut.high]])
    near = ((xy >= box[0]) & (xy <= box[1])).all(axis=1)
    assert np.isin(cut.parts(xy[near]), touched).all()


def test_tiles_that_overlap_have_wider_strips() -> None:
    bounds = np.array([[0.0, 0.0], [1000.0, 1000.0]])
    reach = 90.0
    for overlap, width in ((-5, 94.5), (0, 94.5), (4, 94.5), (5, 189), (100, 378)):
        own = bounds - [1000 - overlap, 0]
        cut = Cut.around(bounds, own + np.array([[-reach], [reach]]), reach)
        assert cut.low == (width, width) and cut.high == (1000 - width, 1000 - width)
    within = np.array([[450.0, 450.0], [550.0, 550.0]])
    cut = Cut.around(bounds, within, reach)
    assert cut.low > cut.high
    assert MIDDLE not in cut.parts(np.linspace(0, 1000, 99)[:, None] * [1, 0.5])


@pytest.mark.parametrize("suffix", [".las", ".laz"])
@pytest.mark.parametrize("colours", ["none", "black", "8 bits", "16 bits"])
def test_clouds_are_those_of_the_file(tmp_path: Path, suffix: str, colours: str) -> None:
    path = tmp_path / f"a{suffix}"
    cloud = town(1, size=SIDE, density=4)
    if colours != "none":
        rgb = np.random.default_rng(0).integers(0, 256, (len(cloud), 3))
        cloud.rgb = (rgb * (colours != "black")).astype(np.uint8)
    salanet.write(path, cloud)
    if colours == "8 bits":
        import laspy

        las = laspy.read(path)
        for name in ("red", "green", "blue"):
            las[name] = las[name] // 256
        las.write(path)
    for side, numbers in (("west", [0, 3, 6]), ("north east", [8])):
        margin = margin_of(path, tmp_path / "out.laz", side)
        assert margin.ready(700) and [*margin.numbers] == numbers
        for size in (300, 100_000):
            whole = [*margin.stream.clouds(size, KEEP)]
            found = [*margin.clouds(size)]
            assert len(found) == len(whole)
            for part, full in zip(found, whole, strict=True):
                inside = np.isin(margin.cut.parts(full.xyz[:, :2]), numbers)
                np.testing.assert_array_equal(part.xyz, full.xyz[inside])
                assert part.arrays().keys() == full.arrays().keys()
                for name, array in full.arrays().items():
                    np.testing.assert_array_equal(part.arrays()[name], array[inside], name)


def test_memory_is_bounded(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    xyz = np.sort(rng.uniform(0, SIDE, (600_000, 3)), axis=0).round(3)
    path = tmp_path / "a.las"
    salanet.write(path, salanet.PointCloud(xyz, intensity=np.ones(len(xyz), np.float32)))
    del xyz
    margin = margin_of(path, tmp_path / "out.las")
    tracemalloc.start()
    assert margin.ready(5_000)
    count = sum(map(len, margin.clouds(5_000)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count > 50_000 and path.stat().st_size > 18e6
    assert peak < 8e6, f"{peak / 1e6:.1f} MB"


def test_two_processes_at_once(tile: Path, tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        assert pool.starmap(make, [(tile, tmp_path / "out.laz")] * 2) == [True, True]
    margin = margin_of(tile, tmp_path / "out.laz")
    names = {path.name for path in margin.within.iterdir()}
    assert names == {margin.folder.name, f"{margin.folder.name}.lock"}
    assert sum(map(len, margin.clouds(999))) > 100


@pytest.mark.parametrize("locks", [True, False])
def test_two_threads_at_once(
    tile: Path,
    passes: Counter[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    locks: bool,
) -> None:
    @contextmanager
    def none(_: Path) -> Iterator[bool]:
        yield True

    if not locks:
        monkeypatch.setattr(margins_module, "locked", none)
    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(make, [tile] * 4, [tmp_path / "out.laz"] * 4))
    assert passes[tile.name] == 1 or not locks
    margin = margin_of(tile, tmp_path / "out.laz")
    assert margin.ready(1000) and len([*margin.within.glob("[!.]*/")]) == 1
    assert not [*margin.within.glob(".*")]


def test_nobody_waits_for_ever(tile: Path, tmp_path: Path) -> None:
    margin = margin_of(tile, tmp_path / "out.laz")
    margin.within.mkdir()
    with locked(margin.folder.with_suffix(".lock")) as alone:
        assert alone and not margin.ready(1000, patience=0.2)
    assert margin.ready(1000, patience=0)
