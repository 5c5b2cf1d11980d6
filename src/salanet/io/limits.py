"""How much a compressed file may unpack to: a small file must not fill the memory."""

from __future__ import annotations

from pathlib import Path

from salanet.errors import FileError

# Point clouds compress 5 to 30 times; a deflate bomb 1000 times.
FREE_BYTES, MAX_RATIO = 256 << 20, 200


def check_unpacked(path: Path, size: int) -> None:
    """Raise FileError if `size` bytes are beyond belief for the content of this file."""
    if size > max(FREE_BYTES, MAX_RATIO * path.stat().st_size):
        raise FileError(path, f"damaged or a bomb: it would unpack to {size / 2**30:.1f} GiB")
