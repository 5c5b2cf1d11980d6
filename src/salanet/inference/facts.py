"""What has to be known of all points of a streamed file before any of them is worked on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from salanet.errors import DataError
from salanet.inference.pieces import Pieces
from salanet.io.ahead import ahead
from salanet.io.stream import Stream
from salanet.sampling.survey import Sampler, Survey, restored


def gather_facts(
    stream: Stream, pieces: Pieces, path: Path, size: int, progress: Callable[[int, int], None]
) -> Survey:
    """Look at every point once, `size` at once; what was found before is read from `path`.

    Raises DataError if no point has finite coordinates.
    """
    arrays = pieces.load(path)
    if arrays is None:
        arrays = _look(stream, size, progress)
        pieces.save(path, **arrays)
    return restored(arrays, _source(stream), stream.count)


def _source(stream: Stream) -> Any:
    clouds = stream.clouds(1, ())
    try:
        return next(iter(clouds)).source
    finally:
        clouds.close()


def _look(
    stream: Stream, size: int, progress: Callable[[int, int], None]
) -> dict[str, NDArray[Any]]:
    sampler, done = Sampler(stream.count), 0
    for cloud in ahead(stream.clouds(size, [*stream.names, "rgb"])):
        sampler.add(cloud)
        done += len(cloud)
        progress(done, stream.count)
    if sampler.not_finite == stream.count:
        raise DataError(
            f"{stream.path}: none of its {stream.count:,} points has finite coordinates"
        )
    return sampler.arrays()
