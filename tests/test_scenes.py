"""Prepared scenes: what is written is read, offsets agree between tiles, bad folders are named."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from salanet.errors import DataError, FileError
from salanet.scenes import (
    BELOW,
    Scene,
    check_alike,
    choose_offset,
    find_scenes,
    lowest,
    open_scenes,
)

COORD = np.array([[0.5, 1.0, 2.0], [1.5, 1.0, 3.0]], np.float32)


def write(folder: Path, **changes: object) -> Scene:
    arguments = {
        "coord": COORD,
        "offset": [64.0, 0.0, -6.4],
        "classes": ["ground", "other"],
        "grid": 0.4,
        "color": [[1, 2, 3], [4, 5, 6]],
        "segment": [1, -1],
        "arrays": {"intensity": np.array([10, 20], np.float32)},
        "raw": {"segment": np.array([1, 1, -1], np.int16), "to_cell": np.array([0, 0, 1])},
        "meta": {"provenance": {"licence": "CC0"}},
    }
    return Scene.write(folder, **(arguments | changes))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write(tmp_path / "a")
    scene = Scene.open(tmp_path / "a")
    assert scene.name == "a" and len(scene) == 2 and scene.grid == 0.4
    np.testing.assert_array_equal(scene.coord, COORD)
    np.testing.assert_array_equal(scene.offset, [64.0, 0.0, -6.4])
    assert scene.color is not None and scene.color.dtype == np.uint8
    assert scene.segment is not None and scene.segment.tolist() == [1, -1]
    assert scene.segment.dtype == np.int16
    assert list(scene.arrays) == ["intensity"] and scene.arrays["intensity"].tolist() == [10, 20]
    assert scene.raw["segment"].tolist() == [1, 1, -1] and scene.raw["to_cell"].tolist() == [
        0,
        0,
        1,
    ]
    assert scene.classes == ["ground", "other"]
    assert scene.meta["provenance"] == {"licence": "CC0"}
    assert isinstance(scene.coord, np.memmap)


def test_a_scene_is_replaced_whole(tmp_path: Path) -> None:
    write(tmp_path / "a")
    scene = write(tmp_path / "a", arrays={}, raw={})
    assert scene.arrays == {} and scene.raw == {}
    assert [p.name for p in tmp_path.iterdir()] == ["a"]  # no temporary folder is left


def test_a_failed_write_leaves_the_old_scene(tmp_path: Path) -> None:
    write(tmp_path / "a")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(np, "save", full)
        with pytest.raises(FileError, match="No space left"):
            write(tmp_path / "a", segment=[0, 0])
    assert Scene.open(tmp_path / "a").segment.tolist() == [1, -1]
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_an_array_of_another_length_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'intensity' has 3 rows for 2 points"):
        write(tmp_path / "a", arrays={"intensity": np.zeros(3)})
    assert not (tmp_path / "a").exists()


def test_pointcept_folder_opens(tmp_path: Path) -> None:
    np.save(tmp_path / "coord.npy", COORD)
    np.save(tmp_path / "color.npy", np.array([[255, 0, 0], [0, 0, 1]], np.uint8))
    np.save(tmp_path / "segment.npy", np.array([[3], [7]], np.int64))
    np.save(tmp_path / "instance.npy", np.array([0, 1], np.int32))
    scene = Scene.open(tmp_path)
    assert scene.segment.tolist() == [3, 7] and scene.segment.dtype == np.int16
    assert list(scene.arrays) == ["instance"] and scene.classes == [] and scene.grid is None
    np.testing.assert_array_equal(scene.offset, [0, 0, 0])


def test_pointcept_scannet_labels(tmp_path: Path) -> None:
    np.save(tmp_path / "coord.npy", COORD)
    np.save(tmp_path / "segment20.npy", np.array([3, -1]))
    assert Scene.open(tmp_path).segment.tolist() == [3, -1]


def test_wide_foreign_coordinates_keep_their_precision(tmp_path: Path) -> None:
    np.save(tmp_path / "coord.npy", np.array([[700000.123, 6e6 + 0.25, 10], [700001, 6e6 + 1, 11]]))
    scene = Scene.open(tmp_path)
    np.testing.assert_array_equal(scene.offset, [700000, 6e6, 10])
    np.testing.assert_allclose(scene.coord[0], [0.123, 0.25, 0], atol=1e-6)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: (f / "coord.npy").unlink(), "no prepared scene|not a prepared scene"),
        (lambda f: np.save(f / "segment.npy", np.zeros(3, np.int16)), "3 rows, but coord"),
        (lambda f: np.save(f / "coord.npy", np.zeros((2, 2), np.float32)), r"\(N, 3\)"),
        (lambda f: np.save(f / "segment.npy", np.array([0, 2], np.int16)), "holds class 2"),
        (lambda f: np.save(f / "segment.npy", np.array([0, -2], np.int16)), "holds class -2"),
        (lambda f: (f / "color.npy").write_bytes(b"junk"), "color.npy: damaged, or not a NumPy"),
        (lambda f: (f / "scene.json").write_text("{"), "scene.json: is not readable JSON"),
        (lambda f: (f / "scene.json").write_text("[]"), "must hold a JSON object"),
        (lambda f: (f / "scene.json").write_text('{"format": 9}'), "scene format 9"),
        (
            lambda f: (f / "scene.json").write_text('{"offset": [1, 2]}'),
            r"offset is \[1, 2\], not three",
        ),
        (lambda f: (f / "scene.json").write_text('{"offset": [1, 2, NaN]}'), "offset is .*NaN"),
        (
            lambda f: (f / "scene.json").write_text('{"grid": "x"}'),
            'grid is "x", not a positive size',
        ),
        (lambda f: (f / "scene.json").write_text('{"grid": "0.5"}'), "grid is"),
        (lambda f: (f / "scene.json").write_text('{"provenance": []}'), r"provenance is \[\], not"),
        (lambda f: (f / "scene.json").write_text('{"settings": 1}'), "settings is 1"),
        (lambda f: (f / "scene.json").write_text('{"classes": ["a", "a"]}'), "names that differ"),
        (lambda f: (f / "scene.json").write_text('{"codes": [1]}'), "not as many codes as classes"),
        (lambda f: (f / "scene.json").write_text('{"colours": [[1, 2]]}'), "colours of three"),
        (lambda f: np.save(f / "segment.npy", np.array([0, 65537])), "holds classes 0 to 65537"),
        (lambda f: np.save(f / "segment.npy", np.array([0.0, 1.0])), "must hold a class index"),
        (lambda f: np.save(f / "color.npy", np.zeros(2, np.uint8)), r"\(N, 3\) colours"),
        (lambda f: np.save(f / "a.npy", np.float32(1)), "rows of numbers, not float32"),
        (lambda f: np.save(f / "a.npy", np.array(["x", "y"])), "rows of numbers, not <U1"),
        (lambda f: (f / "scene.json").write_text('{"classes": 3}'), "classes is 3, not names"),
    ],
)
def test_bad_folders_are_named(tmp_path: Path, spoil: object, message: str) -> None:
    write(tmp_path / "a")
    spoil(tmp_path / "a")  # type: ignore[operator]
    with pytest.raises(FileError, match=message):
        Scene.open(tmp_path / "a")


def test_pickled_arrays_are_never_executed(tmp_path: Path) -> None:
    write(tmp_path / "a")
    np.save(tmp_path / "a" / "extra.npy", np.array([{}, {}], object), allow_pickle=True)
    with pytest.raises(FileError, match=r"extra\.npy"):
        Scene.open(tmp_path / "a")


def test_splits_are_found_in_order(tmp_path: Path) -> None:
    for name in ("train/b", "train/a", "val/c", "train/.a.12.new"):
        write(tmp_path / name)
    assert [p.name for p in find_scenes(tmp_path, "train")] == ["a", "b"]
    assert [s.name for s in open_scenes(tmp_path)] == ["a", "b", "c"]
    assert [p.name for p in find_scenes(tmp_path / "val" / "c")] == ["c"]
    with pytest.raises(FileError, match=r"test: holds no prepared scenes; it has train, val"):
        find_scenes(tmp_path, "test")
    with pytest.raises(FileError, match="run `salanet prepare` first"):
        find_scenes(tmp_path / "nowhere")


def test_scenes_must_agree(tmp_path: Path) -> None:
    first = write(tmp_path / "a")
    check_alike([])
    check_alike([first, write(tmp_path / "b")])
    with pytest.raises(FileError, match="c: has classes"):
        check_alike([first, write(tmp_path / "c", classes=["other", "ground"])])
    with pytest.raises(FileError, match=r"d: has grid 0\.5"):
        check_alike([first, write(tmp_path / "d", grid=0.5)])


# No subnormals: divided by the cell they become zero.
METRES = st.floats(-1e7, 1e7, allow_subnormal=False)


@given(
    METRES,
    METRES,
    st.sampled_from([0.02, 0.04, 0.4, 1.0]),
    st.integers(0, 4),
)
def test_cells_of_neighbouring_scenes_agree(x: float, y: float, grid: float, level: int) -> None:
    """The offset holds whole cells of every level, and stays near the cloud."""
    offset = choose_offset(np.array([[x, y, 0.0], [x + 3, y + 5, 9.0]]), grid)
    cells = (offset + BELOW * grid) / (grid * 2**level)
    np.testing.assert_allclose(cells, np.round(cells), atol=1e-6)
    assert (offset <= [x, y, 0]).all()
    assert (np.array([x, y, 0]) - offset <= 16 * grid * (1 + BELOW)).all()


def test_floor_is_deaf_to_strays(tmp_path: Path) -> None:
    coord = np.zeros((1000, 3), np.float32)
    coord[:, 2] = 5
    coord[0, 2] = -80
    scene = write(tmp_path / "a", coord=coord, color=None, segment=None, arrays={})
    assert scene.floor == 5 and scene.color is None and scene.segment is None
    assert lowest(np.zeros(0)) == 0


def test_scene_json_is_plain(tmp_path: Path) -> None:
    write(tmp_path / "a")
    meta = json.loads((tmp_path / "a" / "scene.json").read_text())
    assert meta["format"] == 1 and meta["offset"] == [64.0, 0.0, -6.4] and meta["grid"] == 0.4
