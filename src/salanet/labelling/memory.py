"""What the machine has, how much memory labelling may take, and what that means for its pieces."""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from salanet.errors import ConfigError
from salanet.io.streams import Stream
from salanet.model_file import Described
from salanet.remark import Remark

UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
BASE = 100 * 10**6  # Python, NumPy and the libraries
DEFAULT, LEAST_DEFAULT = 1_200 * 10**6, 500 * 10**6
SMALL = 16 * 10**6  # a cloud that takes no more is in memory at once, whatever the process may take
LEAST_ROOM = 100 * 10**6  # smaller tiles would see more of their neighbours than of themselves
# Of a cell of any level in a pass and in the next one, which waits; of each of its channels. Fitted
# to dense and to sparse clouds and networks of 18 and 36 channels.
LEVEL_BYTES, CHANNEL_BYTES = 750, 10.5
EXECUTED_SHARE = 0.77  # of that, where the native executor runs the network
KEPT_SHARE = 8  # of a pass through the network: what points that wait in memory may take at most
COPIES, POINT_BYTES = 4, 200  # of a point in a cloud: how often as stored, and what is made of it
LAZ_CHUNK, MOST_CHUNKS = 50_000, 20
FEWEST_AT_ONCE = 2_000


def parse_memory(text: str) -> int:
    """Bytes of "1GB", "500M", "1.5 GiB" or "800000000"; ConfigError for anything else."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kKMGT]?)(i?)[bB]?", text.strip())
    if match is None or not float(match[1]) > 0 or (match[3] and not match[2]):
        raise ConfigError(f"memory {text}: write 500MB, 1GB or 1.5GiB")
    step = UNITS[match[2].upper()]
    if match[3]:
        step = 1024 ** (list(UNITS).index(match[2].upper()))
    return int(float(match[1]) * step)


def machine_memory() -> int | None:
    """Bytes of memory that the machine has; None where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def default_memory() -> int:
    """A quarter of what the machine has, between 500 MB and 1.2 GB, where more hardly helps."""
    total = machine_memory()
    return DEFAULT if total is None else min(max(total // 4, LEAST_DEFAULT), DEFAULT)


@dataclass(frozen=True)
class Plan:
    """Sizes of the pieces a file is worked on in.

    Attributes:
        chunk: points read or written at once.
        group: points that are made into cells at once, in one group or several.
        tile: bytes of a pass through the network.
    """

    chunk: int
    group: int
    tile: int

    @classmethod
    def of(cls, memory: int | None, point_bytes: int, overhead: int = 0) -> Plan:
        """For files too large for the memory.

        Args:
            memory: that the process may take; None for what suits the machine.
            point_bytes: of a point as stored.
            overhead: of what runs the model; see `salanet.engine.Runner`.
        """
        room = room_in(memory, overhead)
        chunk = room // (6 * point_bytes + 250)
        if chunk > LAZ_CHUNK:
            chunk = min(chunk // LAZ_CHUNK, MOST_CHUNKS) * LAZ_CHUNK
        return cls(max(chunk, FEWEST_AT_ONCE), max(room // 800, FEWEST_AT_ONCE), room)

    def keeping(self, stream: Stream) -> Plan:
        """The same beside the stream's points, kept in memory where they take little of it: what
        is compressed is then unpacked once for all passes over the file."""
        return replace(self, tile=self.tile - stream.keep(self.tile // KEPT_SHARE))


def room_in(memory: int | None, overhead: int = 0) -> int:
    """Bytes for points and passes out of what the process may take."""
    return max((memory or default_memory()) - BASE - overhead, LEAST_ROOM)


def taken(memory: int | None, overhead: int = 0) -> int:
    """Bytes that labelling piece by piece takes of what it may."""
    return BASE + overhead + room_in(memory, overhead)


def too_little(memory: int | None, overhead: int = 0) -> list[Remark]:
    """A remark, if labelling takes more than it may whatever is done."""
    least = taken(memory, overhead)
    if memory is None or memory >= least:
        return []
    text = f"{memory / 1e6:.0f} MB of memory are too few: up to {least / 1e6:.0f} MB are taken"
    return [Remark(text, "memory", least=least)]


def cell_bytes(model: Described) -> NDArray[np.float64]:
    """What a cell of each level of a pass takes."""
    levels = np.arange(len(model.config.neighbours), dtype=np.float64)
    channels = model.config.width * 2**levels
    share = EXECUTED_SHARE if getattr(model, "executed", False) else 1.0
    return np.asarray(share * (LEVEL_BYTES + CHANNEL_BYTES * channels))


def fits(memory: int | None, model: Described, points: int, point_bytes: int) -> bool:
    """Whether a cloud can be worked on in memory at once, however sparse it is."""
    each = COPIES * point_bytes + POINT_BYTES + cell_bytes(model).sum()
    room = (memory or default_memory()) - BASE - getattr(model, "overhead", 0)
    return bool(points * each <= max(room, SMALL))


def most_cells(memory: int | None, model: Described) -> int:
    """Cells that pass through the network at once, however sparse they are."""
    room = room_in(memory, getattr(model, "overhead", 0))
    return max(int(room / cell_bytes(model).sum()), FEWEST_AT_ONCE)


def points_bytes(stream: Stream) -> int:
    """About what it takes to have all points of a file in memory."""
    return BASE + stream.count * (COPIES * stream.point_bytes + POINT_BYTES)


def peak_memory() -> int | None:
    """Most bytes of memory this process has held; None where the system does not tell."""
    with suppress(OSError, ValueError, IndexError):
        # What Linux has under `ru_maxrss` counts the memory of whoever started the process.
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        return 1024 * int(status.split("VmHWM:")[1].split()[0])
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def unstreamed_bytes(path: Path) -> int:
    """About what a file of a format that cannot be streamed takes in memory."""
    return BASE + 8 * path.stat().st_size
