"""Fixtures shared by all tests. Real scans are optional: what needs them skips with a reason."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real scans, or a skip."""
    if not SHARED_DATA.is_dir():
        pytest.skip("real scans are not here: ../shared/data is absent")
    return SHARED_DATA


@pytest.fixture(scope="session")
def ign_tiles(shared_data: Path) -> Path:
    """The IGN LiDAR HD tiles, or a skip."""
    folder = shared_data / "ign-lidar-hd"
    if not folder.is_dir():
        pytest.skip("the IGN LiDAR HD tiles are absent")
    return folder
