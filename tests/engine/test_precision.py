"""Products in bfloat16: against NumPy that rounds, and what of them users see."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import salanet
from salanet import _engine
from salanet.engine.native_runner import NativeRunner
from salanet.engine.runner import Precision
from salanet.errors import ConfigError
from salanet.labelling.report import Report

Array = NDArray[np.float32]
WORTHWHILE = 512  # outputs times inputs, see csrc/engine/tiles.h
here = pytest.mark.skipif(
    not _engine.has_bf16(), reason="this processor has no products in bfloat16"
)


def rounded(x: Array) -> Array:
    """To bfloat16, ties away from zero."""
    bits = (x.view(np.uint32) + np.uint32(0x8000)) & np.uint32(0xFFFF0000)
    return bits.view(np.float32)


@here
@settings(max_examples=200, deadline=None)
@given(
    rows=st.integers(1, 400),
    inputs=st.integers(1, 150),
    outputs=st.integers(1, 150),
    seed=st.integers(0, 1000),
)
def test_layers_are_those_of_numpy(rows: int, inputs: int, outputs: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, inputs)).astype(np.float32)
    weight = rng.normal(size=(outputs, inputs)).astype(np.float32)
    bias, addend = (rng.normal(size=s).astype(np.float32) for s in (outputs, (rows, outputs)))
    seen, factors = (x, weight) if outputs * inputs < WORTHWHILE else (rounded(x), rounded(weight))
    sums = seen.astype(np.float64) @ factors.T.astype(np.float64)
    wanted = np.maximum(sums + bias + addend, 0)
    found = addend.copy()
    _engine.dense(weight, bias, x, found, True)
    scale = np.abs(seen).astype(np.float64) @ np.abs(factors.T) + np.abs(bias) + np.abs(addend)
    assert (np.abs(found - wanted) <= 1e-6 * scale).all()


def room(points: int) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    rng = np.random.default_rng(0)
    xyz = rng.random((points, 3)) * [4, 3, 0.05]
    xyz[::2] = xyz[::2][:, [0, 2, 1]]  # a wall on the floor
    return xyz, rng.integers(0, 255, (points, 3)).astype(np.uint8)


@here
@pytest.mark.parametrize("name", ["rooms", "rooms-large"])
def test_bits_do_not_depend_on_threads(name: str) -> None:
    xyz, rgb = room(30_000)

    def segmented(precision: Precision, threads: int) -> tuple[NDArray[np.int64], Array]:
        segmenter = salanet.Segmenter(name, precision=precision, threads=threads)
        found = segmenter.segment(xyz, rgb=rgb, probabilities=True)
        assert found.probabilities is not None
        return found.labels, found.probabilities

    labels, probabilities = segmented("bf16", 1)
    for threads in (2, 4):
        assert np.array_equal(segmented("bf16", threads)[1], probabilities)
    exact = segmented("float32", 2)
    assert not np.array_equal(exact[1], probabilities)
    np.testing.assert_allclose(probabilities, exact[1], atol=0.1)
    assert (labels == exact[0]).mean() > 0.995  # of points that mean nothing


SCRIPT = """
import sys
import numpy as np
from salanet import _engine

x, weight = np.ones((40, 64), np.float32) * 1.001, np.ones((32, 64), np.float32)
out = np.zeros((40, 32), np.float32)
_engine.dense(weight, np.zeros(32, np.float32), x, out, True)
print(_engine.has_bf16(), out.min(), out.max())
"""


@pytest.mark.parametrize("isa", ["avx512", "avx2", "portable"])
def test_every_instruction_set(isa: str) -> None:
    """Where there are no such products, those of float32."""
    found = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=os.environ | {"SALANET_ISA": isa},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    has, least, most = found[0] == "True", *map(float, found[1:])
    assert has == (isa == "avx512" and _engine.has_bf16())
    assert least == most == pytest.approx(64 if has else 64 * 1.001, rel=1e-6)


def test_a_processor_without_them_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(_engine, "has_bf16", lambda: False)
    runner = salanet.open_model("rooms", precision="bf16")
    assert isinstance(runner, NativeRunner)
    assert runner.precision == "float32"
    assert runner.identity == salanet.open_model("rooms").identity
    for memory in (None, "200MB"):
        said = labelled(tmp_path, "bf16", memory).remarks
        assert sum("computed in float32" in remark for remark in said) == 1
    xyz, rgb = room(2000)
    found = salanet.segment(runner, salanet.PointCloud(xyz, rgb=rgb))
    assert sum("computed in float32" in remark for remark in found.remarks) == 1
    assert not any("computed in" in said for said in labelled(tmp_path, "float32").remarks)


@here
def test_files_are_labelled_in_it(tmp_path: Path) -> None:
    report = labelled(tmp_path, "bf16")
    assert not any("computed in" in said for said in report.remarks)
    rough = salanet.open_model("rooms", precision="bf16")
    assert isinstance(rough, NativeRunner)
    assert rough.precision == "bf16"
    assert rough.identity != salanet.open_model("rooms").identity  # nothing of the other is resumed


def labelled(folder: Path, precision: Precision, memory: str | None = None) -> Report:
    xyz, rgb = room(2000)
    salanet.write(folder / "room.ply", salanet.PointCloud(xyz, rgb=rgb))
    to = folder / f"{precision} {memory}.ply"
    [report] = salanet.label(folder / "room.ply", to, "rooms", precision=precision, memory=memory)
    return report


def test_what_cannot_be_asked_is_refused() -> None:
    with pytest.raises(ConfigError, match="choose float32 or bf16"):
        salanet.open_model("rooms", precision="half")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="PyTorch"):
        salanet.open_model("rooms", device="meta", precision="bf16")
    with pytest.raises(ConfigError, match="where the model is opened"):
        salanet.Segmenter(salanet.open_model("rooms"), precision="bf16")
