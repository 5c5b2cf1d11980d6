"""What a file may ask for: a small or damaged one must not fill the memory."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from salanet.errors import FileError

# Point clouds compress 5 to 30 times; a deflate bomb 1000 times.
FREE_BYTES, MAX_RATIO = 256 << 20, 200
LONGEST_HEADER = 1 << 16  # of an .npy file
# LASzip's items that are compressed in layers, by number, and their layers; extra bytes have one
# per byte.
LAYERS = {10: 9, 11: 1, 12: 2, 13: 1}
EXTRA_BYTES = 14


def check_unpacked(path: Path, size: int) -> None:
    """Raise FileError if `size` bytes are beyond belief for the content of this file."""
    if size > max(FREE_BYTES, MAX_RATIO * path.stat().st_size):
        raise FileError(path, f"damaged or a bomb: it would unpack to {size / 2**30:.1f} GiB")


def check_npy(path: Path, file: IO[bytes]) -> None:
    """Raise FileError if an .npy stream, at its beginning, is none or has an endless header.

    NumPy asks for as much memory as the header claims to need before it looks at the file.
    """
    start = file.read(12)
    file.seek(0)
    version_1 = start[6:7] == b"\1"
    length = int.from_bytes(start[8:10] if version_1 else start[8:12], "little")
    if start[:6] != b"\x93NUMPY" or len(start) < 12 or length > LONGEST_HEADER:
        raise FileError(path, "damaged, or not a NumPy array")


def check_layers(
    path: Path, file: IO[bytes], laszip: bytes, record: int, chunks: Iterable[tuple[int, int]]
) -> None:
    """Raise FileError if a compressed chunk has layers that are larger than itself.

    lazrs takes their sizes (of point formats 6 to 10) at their word and ends the process where
    there is no memory for them.

    Args:
        file: the LAZ file; its position changes.
        laszip: the record that describes the compression.
        record: bytes of a point.
        chunks: where each chunk begins and how many bytes it has.
    """
    items = struct.iter_unpack("<3H", laszip[34 : 34 + (len(laszip) - 34) // 6 * 6])
    layers = sum(size if kind == EXTRA_BYTES else LAYERS.get(kind, 0) for kind, size, _ in items)
    if not layers:
        return
    for begin, size in chunks:
        file.seek(begin + record)  # a chunk opens with one plain point, then their number
        head = file.read(4 + 4 * layers)
        if not size:
            continue
        sizes = struct.unpack(f"<4x{layers}I", head) if len(head) == 4 + 4 * layers else (size,)
        if record + len(head) + sum(sizes) > size:
            raise FileError(path, "damaged: a compressed chunk promises more than it holds")
