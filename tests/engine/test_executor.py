"""The native executor against PyTorch: every operator it has, any shapes, threads and processor."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import salanet
from salanet import _engine, geometry
from salanet.errors import DataError
from salanet.models import Network, create_model, load, save
from salanet.operators.norm import PointNorm
from salanet.pyramid import Level, Pyramid, build

Array = NDArray[np.float32]
OPERATORS: list[tuple[str, dict[str, Any]]] = [
    ("sala", {}),
    ("sala", {"norm": "neighbour"}),
    ("sala", {"reduction": "sum", "groups": 3, "lift": 5}),
    ("sala", {"positional": False, "assignment": "hard"}),
    ("sala", {"assignment": "none", "groups": 1}),
    ("sala", {"perceptrons": "linear", "norm": "neighbour"}),
    ("sala", {"centre": True, "temperature": 0.4}),
    ("sala", {"reduction": "mean", "norm": "neighbour"}),
    ("pointwise_mlp", {}),
    ("pospool", {}),
    ("adaptive_weight", {}),
    ("pseudo_grid", {"points": 7}),
    ("kpconv", {}),
    ("kpconv", {"slope": 0.1, "points": 9, "extent": 0.5}),
]
CHANNELS, CLASSES = 5, 7
GAIN = 2.0  # what the initial weights lack to keep the variance of features
ISAS = ["avx512", "avx2", "portable"]


def cloud(points: int, seed: int) -> Array:
    """A dense patch, and strays that have no neighbours, one for each cell of 4 cm."""
    rng = np.random.default_rng(seed)
    patch = rng.random((points, 3)) * [1.5, 1.5, 0.2]
    strays = rng.random((points // 50, 3)) * 8 + 2
    found: Array = geometry.subsample(np.concatenate([patch, strays]), 0.04).points
    return np.ascontiguousarray(found, np.float32)


def network(operator: str, options: dict[str, Any], width: int, seed: int = 0) -> Network:
    """A network of random weights and statistics whose features neither vanish nor explode."""
    torch.manual_seed(seed)
    model = create_model(
        operator=operator,
        operator_options=options,
        width=width,
        in_channels=CHANNELS,
        classes=tuple(f"class {k}" for k in range(CLASSES)),
    )
    for name, parameter in model.named_parameters():
        if name.endswith("weight") and parameter.ndim > 1:
            parameter.data *= GAIN
    for module in model.modules():
        if isinstance(module, PointNorm):
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.uniform_(-0.3, 0.3)
            module.running_var.uniform_(0.5, 2)
            module.bias.data.uniform_(-0.3, 0.3)
            module.weight.data.uniform_(0.5, 1.5)
            module.weight.data[::3] *= -1
    return model.eval()


def features(count: int, seed: int) -> Array:
    return np.random.default_rng(seed).normal(size=(count, CHANNELS)).astype(np.float32)


def pyramid(model: Network, points: Array) -> Pyramid:
    config = model.config
    return build(
        torch.from_numpy(points),
        grid=config.grid,
        radius=config.radius,
        neighbours=config.neighbours,
    )


def expected(model: Network, seen: Array, levels: Pyramid) -> Array:
    with torch.inference_mode():
        found: Array = model(torch.from_numpy(seen), levels).numpy()
    return found


def segment(opened: _engine.Model, points: Array, seen: Array, threads: int = 2) -> Array:
    out = np.full((len(points), CLASSES), np.nan, np.float32)
    opened.segment(points, seen, out, threads)
    return out


def opened(model: Network, folder: Path) -> _engine.Model:
    save(model, folder / "model.safetensors")
    return _engine.Model(str(folder / "model.safetensors"))


def assert_close(found: Array, wanted: Array) -> None:
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())


def test_large_levels_are_offered_in_parts(tmp_path: Path) -> None:
    """A sheet of more points than are offered at once, in the order of its cells and in none."""
    rng = np.random.default_rng(0)
    side = 400  # cells
    places = np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=-1).reshape(-1, 2)
    points = np.zeros((side * side, 3), np.float32)
    points[:, :2] = (places + rng.uniform(0.05, 0.95, places.shape)) * 0.04
    model = network("sala", {"centre": True}, 8)
    runs, taken = opened(model, tmp_path), []
    for ordered in (points, rng.permutation(points)):
        seen = features(len(points), 1)
        found = segment(runs, ordered, seen)
        assert_close(found, expected(model, seen, pyramid(model, ordered)))
        assert np.array_equal(segment(runs, ordered, seen, threads=1), found)
        taken.append(runs.run_bytes(runs.pyramid(ordered, 1), 1))
    assert taken[0] < taken[1]  # half of what is offered is there at once, or all of it


@pytest.mark.parametrize("width", [4, 18])
@pytest.mark.parametrize(("operator", "options"), OPERATORS)
def test_logits_are_those_of_pytorch(
    operator: str, options: dict[str, Any], width: int, tmp_path: Path
) -> None:
    model = network(operator, options, width)
    executor = opened(model, tmp_path)
    assert executor.classes == [f"class {k}" for k in range(CLASSES)]
    for count in (1, 2, 33, 700, 2500):
        points = cloud(count, count)
        seen = features(len(points), count)
        wanted = expected(model, seen, pyramid(model, points))
        if count > 100 and width > 4:
            assert wanted.std(axis=0).max() > 0.01  # there is something to get wrong
        assert_close(segment(executor, points, seen), wanted)


@pytest.mark.parametrize("width", [6, 9, 36, 50])
def test_logits_of_other_widths(width: int, tmp_path: Path) -> None:
    model = network("sala", {}, width)
    points = cloud(1500, 1)
    seen = features(len(points), 1)
    wanted = expected(model, seen, pyramid(model, points))
    assert_close(segment(opened(model, tmp_path), points, seen), wanted)


@pytest.mark.parametrize("operator", ["sala", "pointwise_mlp", "kpconv"])
def test_bits_do_not_depend_on_threads(operator: str, tmp_path: Path) -> None:
    executor = opened(network(operator, {}, 18), tmp_path)
    points = cloud(4000, 3)
    seen = features(len(points), 3)
    first = segment(executor, points, seen, 1)
    for threads in (2, 4, 7):
        assert np.array_equal(segment(executor, points, seen, threads), first)


def ragged(rng: np.random.Generator, sizes: list[int], ks: list[int]) -> list[Level]:
    """Levels of any sizes, whose tables name any rows and miss some."""

    def table(queries: int, supports: int, k: int) -> torch.Tensor:
        rows = rng.integers(0, supports, (queries, k))
        present = np.arange(k) < rng.integers(0, k + 1, (queries, 1))
        return torch.from_numpy(np.where(present, rows, supports).astype(np.int32))

    levels = []
    for s, (size, k) in enumerate(zip(sizes, ks, strict=True)):
        points = torch.from_numpy(rng.normal(size=(size, 3)).astype(np.float32) * 2**s * 0.1)
        splits = torch.tensor([0, size])
        level = Level(points, splits, 0.1 * 2**s, table(size, size, k))
        if s + 1 < len(sizes):
            level.pool = table(sizes[s + 1], size, k)
            level.upsample = torch.from_numpy(rng.integers(0, sizes[s + 1], size).astype(np.int32))
        levels.append(level)
    return levels


@pytest.fixture(scope="module")
def ragged_models(
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, tuple[Network, _engine.Model]]:
    names = ["sala", "pointwise_mlp", "adaptive_weight", "kpconv"]
    models = {name: network(name, {}, 10) for name in names}
    return {n: (m, opened(m, tmp_path_factory.mktemp(n))) for n, m in models.items()}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    operator=st.sampled_from(["sala", "pointwise_mlp", "adaptive_weight", "kpconv"]),
    sizes=st.lists(st.integers(1, 150), min_size=5, max_size=5),
    ks=st.lists(st.integers(1, 40), min_size=5, max_size=5),
    threads=st.sampled_from([1, 2, 4]),
    seed=st.integers(0, 1000),
)
def test_any_pyramid(
    ragged_models: dict[str, tuple[Network, _engine.Model]],
    operator: str,
    sizes: list[int],
    ks: list[int],
    threads: int,
    seed: int,
) -> None:
    model, executor = ragged_models[operator]
    rng = np.random.default_rng(seed)
    levels = ragged(rng, sizes, ks)
    seen = rng.normal(size=(sizes[0], CHANNELS)).astype(np.float32)
    wanted = expected(model, seen, Pyramid(levels))
    out = np.full((sizes[0], CLASSES), np.nan, np.float32)
    executor.logits(seen, _engine.Pyramid(arrays(levels)), out, threads)
    assert_close(out, wanted)


def arrays(levels: list[Level]) -> list[tuple[Any, ...]]:
    return [
        tuple(
            None if tensor is None else tensor.numpy()
            for tensor in (level.points, level.neighbours, level.pool, level.upsample)
        )
        for level in levels
    ]


SCRIPT = """
import sys
import numpy as np
from salanet import _engine

given = np.load(sys.argv[1])
out = np.empty_like(given["wanted"])
_engine.Model(sys.argv[2]).segment(given["points"], given["seen"], out, 2)
np.save(sys.argv[3], out)
print(_engine.isa)
"""


@pytest.mark.parametrize("isa", ISAS)
def test_every_instruction_set(isa: str, tmp_path: Path) -> None:
    for operator, options in (OPERATORS[0], OPERATORS[1], OPERATORS[6], OPERATORS[9]):
        model = network(operator, options, 14)
        points = cloud(1200, 5)
        seen = features(len(points), 5)
        wanted = expected(model, seen, pyramid(model, points))
        save(model, tmp_path / "model.safetensors")
        np.savez(tmp_path / "given.npz", points=points, seen=seen, wanted=wanted)
        paths = [str(tmp_path / name) for name in ("given.npz", "model.safetensors", "out.npy")]
        ran = subprocess.run(
            [sys.executable, "-c", SCRIPT, *paths],
            env=os.environ | {"SALANET_ISA": isa},
            capture_output=True,
            text=True,
            check=True,
        )
        if ran.stdout.strip() != isa:
            pytest.skip(f"this processor has no {isa}")
        assert_close(np.load(tmp_path / "out.npy"), wanted)


def test_shapes_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    executor = opened(network("sala", {}, 6), tmp_path)
    points, seen = cloud(50, 0), features(len(cloud(50, 0)), 0)
    out = np.empty((len(points), CLASSES), np.float32)
    for bad in (
        (points[:, :2].copy(), seen, out),
        (points, seen[:-1].copy(), out),
        (points, seen[:, :-1].copy(), out),
        (points, seen, out[:-1].copy()),
        (points, seen, np.empty((len(points), CLASSES + 1), np.float32)),
        (points[:0].copy(), seen[:0].copy(), out[:0].copy()),
    ):
        with pytest.raises(ValueError, match=r"must have shape|at least one"):
            executor.segment(*bad, 2)
    with pytest.raises(DataError, match="NaN"):
        executor.segment(np.full_like(points, np.nan), seen, out, 2)


@pytest.mark.parametrize(
    ("entry", "row", "value"), [(1, 0, -1), (1, 3, 99), (2, 0, 99), (3, 0, 30), (3, 1, -1)]
)
def test_pyramids_with_rows_that_do_not_exist_are_refused(entry: int, row: int, value: int) -> None:
    levels = arrays(ragged(np.random.default_rng(0), [60, 30, 9, 4, 2], [5] * 5))
    _engine.Pyramid(levels)
    levels[0][entry][row] = value
    with pytest.raises((ValueError, DataError)):
        _engine.Pyramid(levels)


@pytest.mark.parametrize("name", ["rooms", "rooms-large", "aerial"])
def test_models_of_the_package(name: str) -> None:
    path = Path(salanet.__file__).parent / "weights" / f"{name}.safetensors"
    model, executor = load(path), _engine.Model(str(path))
    points = cloud(3000, 7) * np.float32(model.config.grid / 0.04)
    seen = np.random.default_rng(7).random((len(points), executor.in_channels)).astype(np.float32)
    out = np.empty((len(points), len(executor.classes)), np.float32)
    executor.segment(points, seen, out, 2)
    assert_close(out, expected(model, seen, pyramid(model, points)))


@settings(max_examples=150, deadline=None)
@given(
    edits=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=4),
    kept=st.one_of(st.just(1.0), st.floats(0, 1)),
)
def test_damaged_files_are_refused_or_run(
    tmp_path_factory: pytest.TempPathFactory, edits: list[tuple[float, int]], kept: float
) -> None:
    whole = (Path(salanet.__file__).parent / "weights" / "rooms.safetensors").read_bytes()
    length = int.from_bytes(whole[:8], "little") + 8
    damaged = bytearray(whole)
    for place, byte in edits:
        damaged[int(place * (length - 1))] = byte
    path = tmp_path_factory.getbasetemp() / "damaged.safetensors"
    path.write_bytes(damaged[: int(kept * len(damaged))])
    try:
        executor = _engine.Model(str(path))
    except DataError as error:
        assert str(error)
        return
    points = cloud(40, 0)
    seen = np.ones((len(points), executor.in_channels), np.float32)
    executor.segment(points, seen, np.empty((len(points), len(executor.classes)), np.float32), 1)


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        (b'"operator": "sala"', b'"operator": "xxxx"', "no operator 'xxxx'"),
        (b'"width": 18', b'"width": 16', "shape"),
        (b'"grid": 0.04', b'"grid": -0.4', "'grid' is out of range"),
        (b'"network": "salanet"', b'"network": "unknown"', "no native executor"),
        (b"[26, 31, 38, 41, 39]", b"[26, 31, 38, 41]    ", "not five"),
        (b"[26, 31, 38, 41, 39]", b"[26, 31, 999, 41, 9]", "from 1 to 255"),
        (b'"dtype":"F32"', b'"dtype":"I32"', "type I32"),
        (b'{"__metadata__"', b'["__metadata__"', "JSON"),
    ],
)
def test_models_that_do_not_fit_are_refused(
    old: bytes, new: bytes, text: str, tmp_path: Path
) -> None:
    whole = (Path(salanet.__file__).parent / "weights" / "rooms.safetensors").read_bytes()
    old, new = (part.replace(b'"', b'\\"') if b": " in part else part for part in (old, new))
    assert old in whole and len(old) == len(new)
    (tmp_path / "other.safetensors").write_bytes(whole.replace(old, new))
    with pytest.raises(DataError, match=text):
        _engine.Model(str(tmp_path / "other.safetensors"))


def test_half_precision_weights(tmp_path: Path) -> None:
    model = network("sala", {}, 18)
    save(model.half().float(), tmp_path / "wide.safetensors")
    tensors = load_file(tmp_path / "wide.safetensors")
    with safe_open(tmp_path / "wide.safetensors", "np") as file:
        described = file.metadata()
    half = {n: t.half() if t.is_floating_point() else t for n, t in tensors.items()}
    save_file(half, tmp_path / "half.safetensors", metadata=described)
    points = cloud(500, 0)
    seen = features(len(points), 0)
    wide, narrow = (
        segment(_engine.Model(str(tmp_path / f"{name}.safetensors")), points, seen)
        for name in ("wide", "half")
    )
    assert np.array_equal(wide, narrow)
