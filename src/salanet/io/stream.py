"""A file as a stream, where its format allows that."""

from __future__ import annotations

from pathlib import Path

from salanet.io import reading
from salanet.io.las import copc
from salanet.io.streams import Stream

__all__ = ["Stream", "complete", "open_stream"]


def complete(stream: Stream, copy: Path, to: Path) -> list[str]:
    """Make a copy with labels, whole but for this, what the name `to` promises; returns remarks."""
    return copc.make(copy, stream.tree) if copc.named(to) else []


def open_stream(path: Path, to: Path) -> Stream | None:
    """A stream from one file to another; None if these formats do not allow that.

    Raises FileError if the file is missing or damaged, as far as that shows at its beginning.
    """
    from salanet.io.las.stream import LasStream
    from salanet.io.plystream import PlyStream

    suffixes = {path.suffix.lower(), to.suffix.lower()}
    with reading(path):
        if suffixes <= {".las", ".laz"}:
            return LasStream(path)
        if suffixes == {".ply"}:
            stream = PlyStream(path)
            return stream if stream.streamable else None
    return None
