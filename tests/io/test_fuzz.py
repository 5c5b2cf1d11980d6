"""Whatever a file holds: its content, or a SalaNetError of one line. `benchmarks/fuzz.py` tries
many more."""

from __future__ import annotations

import importlib.util
import json
import struct
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from fuzzing import TARGETS, place
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from salanet import io
from salanet.errors import FileError, SalaNetError

SLOW = {"onnx"}  # takes half a minute to make
FEW = {
    "model": 5,
    "model, edge": 5,
    "model structure": 10,
    "recipe": 5,
    "work folder": 5,
    "scene": 15,
}
MAGIC = {
    ".las": b"LASF" + bytes(20) + b"\1\4",
    ".laz": b"LASF" + bytes(20) + b"\1\2",
    ".ply": b"ply\nformat binary_little_endian 1.0\nelement vertex 3\n",
    ".pcd": b"VERSION 0.7\nFIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nWIDTH 3\nHEIGHT 1\n",
    ".e57": b"ASTM-E57" + struct.pack("<IIQQQQ", 1, 0, 2048, 48, 100, 1024),
    ".npy": b"\x93NUMPY\1\0",
    ".npz": b"PK\3\4",
}


def reads(name: str, path: Path) -> None:
    """Read it; anything but success or a proper error fails the test."""
    try:
        TARGETS[name].read(path)
    except SalaNetError as error:
        assert "\n" not in str(error)
        assert error.__cause__ is None or not isinstance(error.__cause__, MemoryError)


@pytest.mark.parametrize("name", [name for name in TARGETS if name not in SLOW])
def test_damaged_files(name: str, tmp_path: Path) -> None:
    target = TARGETS[name]
    if target.needs and importlib.util.find_spec(target.needs) is None:
        pytest.skip(f"{target.needs} is not installed")
    valid = target.seeds(tmp_path)

    @settings(max_examples=FEW.get(name, 25), deadline=None)
    @given(st.integers(0, 2**32 - 1))
    def try_one(number: int) -> None:
        with tempfile.TemporaryDirectory() as folder:
            reads(name, place(target, valid, np.random.default_rng(number), Path(folder)))

    try_one()


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.sampled_from(io.SUFFIXES), st.booleans(), st.binary(max_size=3000))
def test_any_bytes(tmp_path: Path, suffix: str, magic: bool, content: bytes) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(MAGIC.get(suffix, b"") * magic + content)
    try:
        io.read(path)
    except SalaNetError as error:
        assert str(error).startswith(str(path))


def test_a_bomb_of_zeros(tmp_path: Path) -> None:
    """300 MB of zeros in 300 KB; its size is said rightly, or not."""
    path = tmp_path / "a.npz"
    header = b"\x93NUMPY\1\0v\0{'descr': '<f8', 'fortran_order': False, 'shape': (12500000, 3), }"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("xyz.npy", "w") as member,
    ):
        member.write(header.ljust(127) + b"\n")
        for _ in range(300):
            member.write(bytes(10**6))
    with pytest.raises(FileError, match=r"a bomb: it would unpack to 0\.3 GiB"):
        io.read(path)
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\1\2") + 24  # the size in the directory
    data[at : at + 4] = struct.pack("<I", 1000)
    path.write_bytes(data)
    with pytest.raises(FileError, match=r"damaged|cut short"):
        io.read(path)


def test_a_model_that_claims_to_be_huge(tmp_path: Path) -> None:
    from safetensors.torch import save

    from salanet.models import create_model, load
    from salanet.models.files import KEY, header

    model = create_model(width=4, in_channels=1, classes=("a", "b"))
    document = json.loads(header(model))
    document["config"]["width"] = 10**8
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    (tmp_path / "a.safetensors").write_bytes(save(tensors, {KEY: json.dumps(document)}))
    with pytest.raises(FileError, match="does not fit"):
        load(tmp_path / "a.safetensors")


@pytest.mark.parametrize("name", ["class map", "recipe"])
def test_references_to_references(tmp_path: Path, name: str) -> None:
    """Nine lists of nine references to the one before: a thousand million values."""
    lines = [
        "a0: &a0 [1]",
        *(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 10)),
    ]
    path = tmp_path / "bomb.yaml"
    path.write_text("\n".join(lines))
    with pytest.raises(SalaNetError, match="more than 100,000 values"):
        TARGETS[name].read(path)
    path.write_text("a: &a [*a]")
    with pytest.raises(SalaNetError):
        TARGETS[name].read(path)
