"""COPC files with a root, eight children and two pages of hierarchy, for tests."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import lazrs
import numpy as np

from salanet import io
from salanet.cloud import PointCloud
from salanet.io.las import binary, clouds
from salanet.io.las.binary import Vlr
from salanet.io.las.octree import ELSEWHERE

SIDE, SPACING = 64.0, 8.0
ENTRY = "<4iQ2i"


def make_copc(path: Path, count: int = 4000) -> PointCloud:
    """Every eighth point in the root, the others in its children; the last has a page of its own.

    Returns the points in the order they were given to the tree, which is not that of the file.
    """
    rng = np.random.default_rng(0)
    cloud = PointCloud(rng.uniform(0, SIDE, (count, 3)).round(3), label=np.arange(count) % 7)
    plain = path.with_name("plain.laz")
    io.write(plain, cloud)
    head = binary.read(plain)
    plain.unlink()
    cloud = clouds.to_cloud(clouds.source_of(head))
    octant = (cloud.xyz >= SIDE / 2).astype(int)
    node = np.where(np.arange(count) % 8 == 0, 8, octant @ [1, 2, 4])
    keys = [(0, 0, 0, 0), *[(1, n & 1, n >> 1 & 1, n >> 2) for n in range(8)]]
    rows = [np.flatnonzero(node == n) for n in (8, *range(8))]
    laz = lazrs.LazVlr.new_for_compression(head.format, 0, True)
    vlrs = [
        Vlr.new(b"copc", 1, b"COPC info", bytes(160)),
        Vlr.new(*binary.LASZIP, b"", laz.record_data()),
        *[vlr for vlr in head.vlrs if vlr.key != binary.LASZIP],
    ]
    points_at = len(head.header) + sum(54 + len(vlr.data) for vlr in vlrs)
    with path.open("wb+") as file:
        file.write(bytes(points_at))
        compressor = lazrs.ParLasZipCompressor(file, laz)
        compressor.compress_chunks([head.points[at].reshape(-1) for at in rows])
        compressor.done()
        end = file.seek(0, 2)
        file.seek(points_at)
        table = lazrs.read_chunk_table(file, laz)
        at, entries = points_at + 8, list[bytes]()
        for key, (points, size) in zip(keys, table, strict=True):
            entries.append(struct.pack(ENTRY, *key, at, size, points))
            at += size
        last = end + 60 + 32 * len(entries)
        entries.append(entries[-1])
        entries[-2] = struct.pack(ENTRY, *keys[-1], last, 32, ELSEWHERE)
        pages = b"".join(entries)
        file.seek(end)
        file.write(struct.pack("<2x16sHQ32s", b"copc", 1000, len(pages), b"") + pages)
        half = SIDE / 2
        root = len(pages) - 32
        vlrs[0] = vlrs[0]._replace(
            data=struct.pack("<5d2Q2d88x", *[half] * 4, SPACING, end + 60, root, 0, 0)
        )
        file.seek(len(head.header))
        file.write(b"".join(vlr.head + vlr.data for vlr in vlrs))
        head.set(binary.VLR_COUNT, len(vlrs))
        head.set(binary.POINTS_AT, points_at)
        head.set(binary.FORMAT, head.format | binary.COMPRESSED)
        head.set(binary.EVLRS_AT, end)
        head.set(binary.EVLR_COUNT, 1)
        file.seek(0)
        file.write(head.header)
    return replace(cloud, source=None)
