"""How much memory prediction may take, and what that means for its pieces."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from salanet.errors import ConfigError
from salanet.models import Network
from salanet.sampling.boxes import TILE_POINTS

UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
BASE = 320 * 10**6  # Python, PyTorch and the libraries
DEFAULT, LEAST_DEFAULT = 1_200 * 10**6, 500 * 10**6
LEAST_ROOM = 16 * 10**6
PASS_BYTES, CHANNEL_BYTES = 450, 105  # of a cell in a pass; the second for each of C channels
WAITING_BYTES = 600  # of a cell of the next tile, which waits with its neighbours
COPIES, POINT_BYTES = 4, 200  # of a point in a cloud: how often as stored, and what is made of it
LAZ_CHUNK, MOST_CHUNKS = 50_000, 20
FEWEST_AT_ONCE = 2_000
# Fewer cells at once than this, and tiles see more of their halos than of their cores.
GOOD_TILE = 100_000


def parse_memory(text: str) -> int:
    """Bytes of "1GB", "500M", "1.5 GiB" or "800000000"; ConfigError for anything else."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kKMGT]?)(i?)[bB]?", text.strip())
    if match is None or not float(match[1]) > 0 or (match[3] and not match[2]):
        raise ConfigError(f"--memory {text}: write 500MB, 1GB or 1.5GiB")
    step = UNITS[match[2].upper()]
    if match[3]:
        step = 1024 ** (list(UNITS).index(match[2].upper()))
    return int(float(match[1]) * step)


def default_memory() -> int:
    """A quarter of what the machine has, between 500 MB and 1.2 GB, where more hardly helps."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return DEFAULT
    return min(max(total // 4, LEAST_DEFAULT), DEFAULT)


@dataclass(frozen=True)
class Plan:
    """Sizes of the pieces a file is worked on in.

    Attributes:
        chunk: points read or written at once.
        group: points that are made into cells at once.
        tile: cells that pass through the network at once.
    """

    chunk: int
    group: int
    tile: int

    @classmethod
    def of(cls, memory: int | None, model: Network, point_bytes: int) -> Plan:
        """For files too large for the memory; `point_bytes` is the size of a point as stored."""
        room = room_in(memory)
        chunk = room // (6 * point_bytes + 250)
        if chunk > LAZ_CHUNK:
            chunk = min(chunk // LAZ_CHUNK, MOST_CHUNKS) * LAZ_CHUNK
        tile = room // (cell_bytes(model) + WAITING_BYTES)
        return cls(
            max(chunk, FEWEST_AT_ONCE),
            max(room // 400, FEWEST_AT_ONCE),
            min(max(tile, FEWEST_AT_ONCE), TILE_POINTS),
        )


def room_in(memory: int | None) -> int:
    """Bytes for points and passes out of what the process may take."""
    return max((memory or default_memory()) - BASE, LEAST_ROOM)


def cell_bytes(model: Network) -> int:
    """What one cell of a pass takes."""
    return PASS_BYTES + CHANNEL_BYTES * model.config.width


def tile_in_memory(memory: int | None, model: Network, points: int, point_bytes: int) -> int:
    """Cells of a pass beside a whole cloud in memory; 0 if the cloud had better be streamed."""
    left = room_in(memory) - points * (COPIES * point_bytes + POINT_BYTES)
    tile = max(left, 0) // cell_bytes(model)
    return min(tile, TILE_POINTS) if tile >= min(points, GOOD_TILE) else 0


def unstreamed_bytes(path: Path) -> int:
    """About what a file of a format that cannot be streamed takes in memory."""
    return BASE + 8 * path.stat().st_size
