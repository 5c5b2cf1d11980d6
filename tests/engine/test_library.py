"""libsalanet, as C and C++ programs use it: built, installed, linked, and compared with Python."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Iterator
from ctypes import c_int
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from c_library import BAD_ARGUMENT, BAD_DATA, BAD_FILE, OK, Library, Options
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save_file

import salanet
from salanet import _engine
from salanet.adapt.alignment import AlignmentOptions
from salanet.cloud import PointCloud
from salanet.datasets.town import town
from salanet.engine import segment
from salanet.engine.opening import as_runner
from salanet.io import read, write
from salanet.models import load
from salanet.pyramid import build
from salanet.sampling import features
from salanet.sampling.boxes import BUFFER_RADII, tiles
from salanet.sampling.cells import cell_features, to_cells

REPOSITORY = Path(__file__).parents[2]
BUILD = REPOSITORY / "build" / "library"
WEIGHTS = Path(salanet.__file__).parent / "weights"
MOST_BYTES = 2_000_000

Array = NDArray[Any]


def run(*command: str | Path) -> str:
    ran = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert ran.returncode == 0, f"{command}: {ran.stdout[-2000:]}{ran.stderr[-2000:]}"
    return ran.stdout


@pytest.fixture(scope="module")
def installed() -> Path:
    """Where the library is installed; builds what has changed."""
    for tool in ("cmake", "cc", "c++"):
        if shutil.which(tool) is None:
            pytest.skip(f"there is no {tool} here")
    place = BUILD / "installed"
    run("cmake", "-S", REPOSITORY, "-B", BUILD, "-DSALANET_PYTHON=OFF", "-DSALANET_LIBRARY=ON",
        "-DCMAKE_INSTALL_LIBDIR=lib")  # fmt: skip
    run("cmake", "--build", BUILD)
    run("cmake", "--install", BUILD, "--prefix", place)
    return place


@pytest.fixture(scope="module")
def examples(installed: Path) -> Path:
    place = BUILD / "examples"
    run("cmake", "-S", REPOSITORY / "examples" / "c", "-B", place,
        f"-DCMAKE_PREFIX_PATH={installed}")  # fmt: skip
    run("cmake", "--build", place)
    return place


@pytest.fixture(scope="module")
def library(installed: Path) -> Library:
    return Library(installed / "lib" / "libsalanet.so")


@pytest.fixture(scope="module")
def rooms(library: Library) -> Iterator[ctypes.c_void_p]:
    status, model, text = library.open(WEIGHTS / "rooms.safetensors")
    assert (status, text) == (OK, "")
    yield model
    library.c.salanet_close(model)


def room(points: int = 6000, seed: int = 0) -> PointCloud:
    """A corner of a room with a box in it, far from the origin."""
    rng = np.random.default_rng(seed)
    flat = rng.random((points, 3)) * [3, 3, 0.02]
    wall = rng.random((points, 3)) * [0.02, 3, 2.5]
    box = rng.random((points // 2, 3)) * [0.6, 0.6, 0.8] + [1, 1, 0]
    xyz = np.concatenate([flat, wall, box]) + [652_000.3, 6_860_000.7, 41.2]
    return PointCloud(xyz, rgb=rng.integers(0, 255, xyz.shape).astype(np.uint8))


def expected(xyz: Array, rgb: Array, limit: int = 250_000) -> tuple[Array, Array]:
    """Labels and probabilities by the Python package's cells and features, and PyTorch."""
    model = load(WEIGHTS / "rooms.safetensors")
    config = model.config
    names = features.normalise_names(config.features)
    cells = to_cells(PointCloud(xyz, rgb=rgb), config.grid, keep=["rgb"], black=True)
    seen = cell_features(cells, names, None, config.grid, "room")
    logits = np.empty((len(seen), len(config.classes)), np.float32)
    for rows, core in tiles(cells.coord, limit, BUFFER_RADII * config.radius):
        points = torch.from_numpy(cells.coord[rows])
        levels = build(points, grid=config.grid, radius=config.radius, neighbours=config.neighbours)
        with torch.inference_mode():
            logits[rows[core]] = model(torch.from_numpy(seen[rows]), levels).numpy()[core]
    temperature = float(model.metadata.get("temperature") or 1)
    shares = torch.softmax(torch.from_numpy(logits) / temperature, 1).numpy()
    return logits.argmax(1)[cells.of_point], shares[cells.of_point]


def assert_same(found: tuple[int, Array, Array, str], labels: Array, shares: Array) -> None:
    status, given, probabilities, text = found
    assert (status, text) == (OK, "")
    np.testing.assert_allclose(probabilities, shares, atol=3e-5)
    top = np.sort(shares, axis=1)
    clear = top[:, -1] - top[:, -2] > 1e-4
    assert np.array_equal(given[clear], labels[clear]) and clear.mean() > 0.99


def test_labels_are_those_of_python(library: Library, rooms: ctypes.c_void_p) -> None:
    cloud = room()
    assert cloud.rgb is not None
    found = library.segment(rooms, cloud.xyz, cloud.rgb)
    assert_same(found, *expected(cloud.xyz, cloud.rgb))
    assert len(np.unique(found[1])) > 2
    single = library.segment(rooms, cloud.xyz, cloud.rgb, threads=1)
    assert np.array_equal(single[1], found[1]) and np.array_equal(single[2], found[2])


def test_tiles_are_those_of_python(library: Library, rooms: ctypes.c_void_p) -> None:
    cloud = room(20000, 1)
    xyz = cloud.xyz * [4, 1, 1]
    found = library.segment(rooms, xyz, cloud.rgb, tile_points=9000, threads=2)
    assert_same(found, *expected(xyz, cloud.rgb, 9000))


def test_bfloat16_is_that_of_python(library: Library, rooms: ctypes.c_void_p) -> None:
    cloud = room()
    labels, shares = expected(cloud.xyz, cloud.rgb)
    found = library.segment(rooms, cloud.xyz, cloud.rgb, precision=1)
    assert found[0] == OK
    np.testing.assert_allclose(found[2], shares, atol=0.1)
    assert (found[1] == labels).mean() > 0.99
    exact = library.segment(rooms, cloud.xyz, cloud.rgb)
    assert np.array_equal(found[2], exact[2]) != _engine.has_bf16()


def test_points_and_colours_that_are_absent(library: Library, rooms: ctypes.c_void_p) -> None:
    cloud = room(2000)
    xyz = cloud.xyz.copy()
    xyz[::10] = [np.nan, 1, 2]
    xyz[5::10, 2] = np.inf
    there = np.isfinite(xyz).all(axis=1)
    status, labels, shares, _ = library.segment(rooms, xyz)
    assert status == OK
    wanted = expected(xyz[there], np.zeros((there.sum(), 3), np.uint8))
    assert_same((status, labels[there], shares[there], ""), *wanted)
    assert (labels[~there] == -1).all()
    np.testing.assert_allclose(shares[~there], 1 / shares.shape[1])


@pytest.mark.parametrize("bright, low_noise", [(True, 0.0), (False, 0.0), (True, 0.005)])
def test_aerial_finds_the_terrain(library: Library, bright: bool, low_noise: float) -> None:
    """A town on a slope: heights above the terrain, its slope, intensities of their own scale;
    points far below that nobody flagged."""
    cloud = town(5, size=90, density=12)
    cloud.xyz[:, 2] += 0.2 * cloud.xyz[:, 0]
    rng, n = np.random.default_rng(3), len(cloud)
    cloud.xyz[:, 2] -= np.where(rng.random(n) < low_noise, rng.uniform(1, 8, n), 0)
    ones = np.ones(len(cloud), np.uint8)
    intensity = np.asarray(cloud.intensity, np.float32) if bright else np.zeros(len(cloud))
    seen = PointCloud(
        cloud.xyz,
        intensity=intensity.astype(np.float32),
        attributes={"return_number": ones, "number_of_returns": ones},
    )
    runner = as_runner("aerial")
    config, names = runner.config, features.normalise_names(runner.config.features)
    cells = to_cells(seen, config.grid, keep=features.required(names), black=True)
    scale = features.intensity_scale_of([intensity])
    values = cell_features(cells, names, scale, config.grid, "town")
    wanted = runner.logits(values, runner.levels(cells.coord)).argmax(axis=1)[cells.of_point]

    status, model, text = library.open(WEIGHTS / "aerial.safetensors")
    assert (status, text) == (OK, "")
    given = intensity.astype(np.float32) if bright else None
    status, labels, _, text = library.segment(model, cloud.xyz, None, given)
    library.c.salanet_close(model)
    assert (status, text) == (OK, "") and len(np.unique(labels)) > 3
    assert (labels == wanted).mean() > 0.9995


def test_intensities_are_scaled_alike(library: Library) -> None:
    """By the range of the cloud in two digits: labels of the library are those of Python."""
    cloud = town(7, size=40, density=10)
    rng = np.random.default_rng(0)
    status, model, _ = library.open(WEIGHTS / "aerial.safetensors")
    assert status == OK
    for bright in (1049.0, 1149.0, 37.4):
        intensity = (bright / 0.95 * rng.random(len(cloud))).astype(np.float32)
        cloud.intensity, cloud.attributes = intensity, {}
        asked = AlignmentOptions(units="m", up="z", grid=0.2)
        wanted = segment("aerial", cloud, alignment=asked, probabilities=True)
        status, _, shares, _ = library.segment(model, cloud.xyz, None, intensity)
        assert status == OK and wanted.probabilities is not None
        assert np.abs(shares - wanted.probabilities).max() < 1e-4
    library.c.salanet_close(model)


def test_a_model_tells_its_classes(library: Library, rooms: ctypes.c_void_p) -> None:
    config = load(WEIGHTS / "rooms.safetensors").config
    count = library.c.salanet_class_count(rooms)
    names = [library.c.salanet_class_name(rooms, k).decode() for k in range(count)]
    assert tuple(names) == config.classes
    assert [library.c.salanet_class_code(rooms, k) for k in range(count)] == list(range(count))
    assert library.c.salanet_class_name(rooms, count) is None
    assert library.c.salanet_cell_size(rooms) == config.grid
    assert library.c.salanet_version().decode() == salanet.__version__


def test_errors_have_texts(library: Library, rooms: ctypes.c_void_p, tmp_path: Path) -> None:
    whole = (WEIGHTS / "rooms.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(whole[:-100])
    (tmp_path / "empty.safetensors").write_bytes(b"")
    for path, text in (
        (tmp_path / "none.safetensors", "cannot be opened"),
        (tmp_path, "cannot be read"),
        (tmp_path / "cut.safetensors", "data_offsets"),
        (tmp_path / "empty.safetensors", "too short"),
    ):
        status, model, found = library.open(path)
        assert status == BAD_FILE and not model.value
        assert str(path) in found and text in found
    cloud = room(100)
    far = cloud.xyz.copy()
    far[0] += 1e14
    for xyz, options, status, text in (
        (cloud.xyz[:0], {}, BAD_ARGUMENT, "n must"),
        (cloud.xyz, {"threads": -1}, BAD_ARGUMENT, "threads"),
        (cloud.xyz, {"precision": 2}, BAD_ARGUMENT, "precision"),
        (cloud.xyz, {"intensity_scale": -1.0}, BAD_ARGUMENT, "intensity_scale"),
        (cloud.xyz * np.nan, {}, BAD_DATA, "finite"),
        (far, {}, BAD_DATA, "cell"),
    ):
        found_status, _, _, found = library.segment(rooms, xyz, None, None, **options)
        assert found_status == status, found
        assert text in found
    assert library.segment(ctypes.c_void_p(), cloud.xyz)[0] == BAD_ARGUMENT
    assert library.c.salanet_open(None, None, None) == BAD_ARGUMENT


def test_damaged_models_are_refused_or_run(library: Library) -> None:
    whole = (WEIGHTS / "rooms.safetensors").read_bytes()
    length = int.from_bytes(whole[:8], "little")
    rng = np.random.default_rng(0)
    cloud = room(60)
    refused = 0
    for _ in range(300):
        damaged = bytearray(whole)
        for place in rng.integers(0, 8 + length, rng.integers(1, 4)):
            damaged[place] = rng.integers(0, 256)
        end = len(damaged) if rng.random() < 0.8 else int(rng.integers(0, len(damaged)))
        status, model, text = library.open_bytes(bytes(damaged[:end]))
        assert status in (OK, BAD_FILE) and (status == OK) == (text == "") == bool(model.value)
        refused += status != OK
        if status == OK:
            library.segment(model, cloud.xyz)
            library.c.salanet_close(model)
    assert refused > 50


def test_scores_that_are_not_finite_are_no_labels(library: Library, tmp_path: Path) -> None:
    path = WEIGHTS / "rooms.safetensors"
    with safe_open(path, "np") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        metadata = file.metadata()
    huge = {n: np.full_like(a, 6e4) if a.ndim == 2 else a for n, a in tensors.items()}
    save_file(huge, tmp_path / "huge.safetensors", metadata)
    status, model, text = library.open(tmp_path / "huge.safetensors")
    assert status == OK, text
    cloud = room(100)
    status, _, _, text = library.segment(model, cloud.xyz, cloud.rgb, None)
    library.c.salanet_close(model)
    assert status == BAD_DATA and "scores are not finite" in text


def test_the_library_is_small_and_shows_its_interface_alone(installed: Path) -> None:
    for name in ("libsalanet.so", "libsalanet.a"):
        assert (installed / "lib" / name).stat().st_size < MOST_BYTES
    if shutil.which("nm") is None:
        pytest.skip("there is no nm here")
    symbols = run("nm", "-D", "--defined-only", installed / "lib" / "libsalanet.so").split("\n")
    names = {line.split()[-1] for line in symbols if line}
    assert names == {
        f"salanet_{name}"
        for name in (
            "version", "open", "open_memory", "close", "segment",
            "class_count", "class_name", "class_code", "cell_size",
        )
    }  # fmt: skip


def test_the_header_is_plain_c(installed: Path, tmp_path: Path) -> None:
    for name in ("c99", "c11"):
        run("cc", f"-std={name}", "-pedantic", "-Wall", "-Wextra", "-Werror",
            f"-I{installed}/include", REPOSITORY / "examples" / "c" / "label_ply.c",
            f"-L{installed}/lib", "-lsalanet", "-o", tmp_path / name)  # fmt: skip


@pytest.mark.parametrize("ending", ["binary", "ascii"])
def test_the_c_example_labels_a_ply(examples: Path, ending: str, tmp_path: Path) -> None:
    cloud = room(1500)
    given, labelled = tmp_path / "room.ply", tmp_path / "labelled.ply"
    if ending == "binary":
        write(given, PointCloud(cloud.xyz, rgb=cloud.rgb))
    else:
        assert cloud.rgb is not None
        rows = [
            " ".join([*(repr(float(v)) for v in p), *map(str, c)])
            for p, c in zip(cloud.xyz, cloud.rgb, strict=True)
        ]
        axes = [f"property double {axis}" for axis in "xyz"]
        colours = [f"property uchar {colour}" for colour in ("red", "green", "blue")]
        head = ["ply", "format ascii 1.0", f"element vertex {len(rows)}", *axes, *colours]
        given.write_text("\n".join([*head, "end_header", *rows, ""]))
    model = WEIGHTS / "rooms.safetensors"
    assert f"{len(cloud)} points" in run(examples / "label_ply", model, given, labelled)
    found = read(labelled)
    labels, shares = expected(cloud.xyz, cloud.rgb)
    assert np.array_equal(found.xyz, cloud.xyz) and found.label is not None
    assert (np.asarray(found.label) == labels).mean() > 0.999
    assert shares.shape[1] == 13


def test_the_cpp_example_prints_latencies(examples: Path) -> None:
    out = run(examples / "frames", WEIGHTS / "rooms.safetensors", "3", "64", "2")
    assert out.count("4096 points") == 3
    assert "median" in out


def test_the_ros_example_converts_messages(installed: Path) -> None:
    """Without ROS: what its node makes of a message, and back."""
    place = BUILD / "ros2"
    run("cmake", "-S", REPOSITORY / "examples" / "ros2", "-B", place,
        f"-DCMAKE_PREFIX_PATH={installed}")  # fmt: skip
    run("cmake", "--build", place, "--target", "conversion")
    assert "all hold" in run(place / "conversion")


def test_types_of_the_interface() -> None:
    assert ctypes.sizeof(Options) == 32 and ctypes.sizeof(c_int) == 4
