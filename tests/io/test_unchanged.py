"""A file that is being written, or is replaced, while it is read."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from salanet import io
from salanet.cloud import PointCloud
from salanet.errors import FileError
from salanet.io import npz
from salanet.io.unchanged import require_unchanged, states


def test_what_counts_as_a_change(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("1")
    before = states([path, tmp_path / "none"])
    require_unchanged(before)
    os.utime(path, ns=(0, 1))
    with pytest.raises(FileError, match=r"a: changed while it was read; run again when it is"):
        require_unchanged(before)
    path.unlink()
    with pytest.raises(FileError, match="changed while"):
        require_unchanged(before)


def test_a_file_replaced_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, read = tmp_path / "a.npz", npz.read
    io.write(path, PointCloud(np.zeros((3, 3))))

    def slow(*arguments: object) -> PointCloud:
        cloud = read(*arguments)  # type: ignore[arg-type]
        io.write(path, PointCloud(np.ones((3, 3))))
        return cloud

    monkeypatch.setattr(npz, "read", slow)
    with pytest.raises(FileError, match="changed while it was read"):
        io.read(path)
    monkeypatch.undo()
    assert io.read(path).xyz.max() == 1
