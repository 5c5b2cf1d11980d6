"""The Triton kernels, in processes of their own.

With a CUDA device they run there; without one in Triton's interpreter, which must be chosen before
Triton is imported and would follow it into every other test. The cases are in triton_*.py.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from salanet.errors import MissingExtraError

HERE = Path(__file__).parent


def run(*arguments: str, **environment: str) -> None:
    done = subprocess.run(
        [sys.executable, *arguments],
        env=os.environ | environment | {"PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("cases", ["triton_aggregation.py", "triton_geometry.py"])
def test_kernels_agree_with_the_reference(cases: str) -> None:
    pytest.importorskip("triton", reason="Triton is not installed (extra 'gpu')")
    environment = {} if torch.cuda.is_available() else {"TRITON_INTERPRET": "1"}
    run("-m", "pytest", "-p", "no:cacheprovider", str(HERE / cases), **environment)


def test_kernels_compile_for_a_gpu(tmp_path: Path) -> None:
    """The interpreter takes programs that the compiler does not."""
    pytest.importorskip("triton", reason="Triton is not installed (extra 'gpu')")
    run(str(HERE / "triton_compile.py"), TRITON_CACHE_DIR=str(tmp_path), TRITON_INTERPRET="0")


def test_importing_salanet_leaves_triton_alone() -> None:
    run("-c", "import sys, salanet.ops; assert 'triton' not in sys.modules")


def test_missing_triton_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "triton", None)
    monkeypatch.delitem(sys.modules, "salanet.ops.triton_runtime", raising=False)
    with pytest.raises(MissingExtraError, match=r"salanet\[gpu\]"):
        importlib.import_module("salanet.ops.triton_runtime")
