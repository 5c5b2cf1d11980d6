"""Damage where a format means something: fields that lie in files that are otherwise right."""

from __future__ import annotations

import re
import struct
from io import BytesIO

import lazrs
import numpy as np
from damage import ABSURD, FLOATS, PAGE, PAYLOAD, WORDS, damage, mend_e57

HEADER, INFO = 375, 375 + 54  # of a COPC: bytes of the LAS header; where the facts of its tree are
ENTRY = 32  # bytes of a node in the hierarchy
# Numbers of a LAS 1.4 header that places, counts and coordinates follow from.
FIELDS = (
    *((94, "H"), (96, "I"), (100, "I"), (104, "B"), (105, "H"), (107, "I"), (235, "Q")),
    *((243, "I"), (247, "Q"), (131, "d"), (155, "d"), (179, "d")),
)
XML_NUMBER = re.compile(rb"-?\d[\d.eE+-]*")
XML_WORD = re.compile(rb"[A-Za-z][\w:]{2,}")
XML_LINE = re.compile(rb"<[^<>]*>[^<>]*")
E57_HEADER = ((8, "I"), (12, "I"), (16, "Q"), (24, "Q"), (32, "Q"), (40, "Q"))


def damage_copc(data: bytes, rng: np.random.Generator) -> bytes:
    """One to four fields of the header, the tree, its pages, its chunks or their table."""
    if rng.random() < 0.15:
        return damage(data, rng)
    changed = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        COPC_KINDS[rng.integers(len(COPC_KINDS))](changed, rng)
    return bytes(changed)


def _header(data: bytearray, rng: np.random.Generator) -> None:
    at, kind = FIELDS[rng.integers(len(FIELDS))]
    at += 8 * int(rng.integers(3)) if kind == "d" else 0
    _lie(data, at, kind, rng)


def _tree(data: bytearray, rng: np.random.Generator) -> None:
    field = int(rng.integers(7))
    _lie(data, INFO + 8 * field, "d" if field < 5 else "Q", rng)


def _entry(data: bytearray, rng: np.random.Generator) -> None:
    """Part of a node becomes that of another, of a page, one more or less, or absurd."""
    at, other = _entries(data, rng), _entries(data, rng)
    offset, kind = ((0, "i"), (4, "i"), (16, "Q"), (24, "i"), (28, "i"))[rng.integers(5)]
    size = struct.calcsize(kind)
    match rng.integers(6):
        case 0:
            data[at + offset : at + offset + size] = data[other + offset : other + offset + size]
        case 1:
            data[at + 16 : at + ENTRY] = data[other + 16 : other + ENTRY]
        case 2:  # a page, mostly of nodes that are there, such as its own
            count = int(rng.choice([1, 2, 9, 1000]))
            struct.pack_into("<Q2i", data, at + 16, other, ENTRY * count, -1)
        case 3:
            data[at : at + ENTRY] = data[other : other + ENTRY]
        case _:
            _lie(data, at + offset, kind, rng)


def _entries(data: bytearray, rng: np.random.Generator) -> int:
    """Where a node of the hierarchy is, all pages taken as one."""
    count = max(len(data) - ENTRY, 0)
    evlr = min(struct.unpack_from("<Q", data, 235)[0] + 60, count)
    return int(evlr + ENTRY * rng.integers(max((len(data) - evlr) // ENTRY, 1)))


def _chunk(data: bytearray, rng: np.random.Generator) -> None:
    """The number of points, or bytes of a layer, at the beginning of a chunk."""
    at = struct.unpack_from("<Q", data, _entries(data, rng) + 16)[0]
    layers = 4 * int(rng.integers(11))
    if at + 30 + layers + 4 <= len(data):
        _lie(data, at + 30 + layers, "I", rng)


def _table(data: bytearray, rng: np.random.Generator) -> None:
    """The table of chunks with other numbers, where it fits into its place."""
    points_at = min(struct.unpack_from("<I", data, 96)[0], len(data) - 8)
    laszip = data.find(b"laszip encoded")
    end = min(struct.unpack_from("<Q", data, 235)[0], len(data))
    place = struct.unpack_from("<q", data, points_at)[0]
    if laszip < 0 or not 0 <= place < end:
        return
    try:
        vlr = lazrs.LazVlr(bytes(data[laszip + 52 : points_at]))
        file = BytesIO(bytes(data))
        file.seek(points_at)
        table = lazrs.read_chunk_table(file, vlr)
    except BaseException:  # panics of Rust derive from nothing narrower
        return
    if not table:
        return
    chosen = int(rng.integers(len(table)))
    pair = [*table[chosen]]
    pair[rng.integers(2)] = int(rng.choice([0, 1, 49, 1 << 20, 2**31 - 1, 2**32 - 1]))
    table[chosen] = (pair[0], pair[1])
    buffer = BytesIO()
    lazrs.write_chunk_table(buffer, table, vlr)
    new = buffer.getvalue()[: end - place]
    data[place : place + len(new)] = new


def _laszip(data: bytearray, rng: np.random.Generator) -> None:
    at = data.find(b"laszip encoded")
    if at >= 0:
        offset, kind = ((0, "H"), (2, "H"), (12, "I"), (32, "H"), (34, "H"), (36, "H"), (38, "H"))[
            rng.integers(7)
        ]
        _lie(data, at + 52 + offset, kind, rng)


COPC_KINDS = [_header, _tree, _tree, _entry, _entry, _entry, _entry, _chunk, _table, _laszip]


def damage_e57(data: bytes, rng: np.random.Generator) -> bytes:
    """One to four lies in the XML, the header, the sections and packets of points.

    Lengths and checksums are put right afterwards, mostly, so that it gets past them.
    """
    if rng.random() < 0.1:
        return damage(data, rng)
    if rng.random() < 0.1:
        return mend_e57(damage(data, rng))
    changed = bytearray(_payload(data))
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        E57_KINDS[rng.integers(len(E57_KINDS))](changed, rng)
    if rng.random() < 0.95:
        struct.pack_into("<Q", changed, 16, -(-len(changed) // PAYLOAD) * PAGE)
    return mend_e57(_paged(bytes(changed)))


def _payload(data: bytes) -> bytes:
    return b"".join(data[i : i + PAYLOAD] for i in range(0, len(data), PAGE))


def _paged(payload: bytes) -> bytes:
    """Pages with room for their sums."""
    pages = (payload[i : i + PAYLOAD] for i in range(0, len(payload), PAYLOAD))
    return b"".join(page.ljust(PAYLOAD, b"\0") + bytes(PAGE - PAYLOAD) for page in pages)


def _e57_header(data: bytearray, rng: np.random.Generator) -> None:
    at, kind = E57_HEADER[rng.integers(len(E57_HEADER))]
    _lie(data, at, kind, rng)


def _section(data: bytearray, rng: np.random.Generator) -> None:
    """Fields of the head of the first points (32 bytes), or of the packet behind it."""
    fields = (
        *((48, "B"), (56, "Q"), (64, "Q"), (72, "Q")),  # kind, length, place of data, of index
        *((80, "B"), (81, "B"), (82, "H"), (84, "H"), (86, "H"), (88, "H"), (90, "H")),
    )
    at, kind = fields[rng.integers(len(fields))]
    _lie(data, at, kind, rng)


def _xml(pattern: re.Pattern[bytes], data: bytearray, rng: np.random.Generator, new: bytes) -> None:
    """Put bytes in place of a part of the XML, and say its length rightly, mostly."""
    begin = max(data.find(b"<?xml"), 0)
    found = [*pattern.finditer(data, begin)]
    if not found:
        return
    match = found[rng.integers(len(found))]
    before = len(data)
    data[match.start() : match.end()] = new
    length = struct.unpack_from("<Q", data, 32)[0] + len(data) - before
    if 0 <= length < 1 << 63 and rng.random() < 0.9:
        struct.pack_into("<Q", data, 32, length)


def _xml_number(data: bytearray, rng: np.random.Generator) -> None:
    absurd = [str(value).encode() for value in ABSURD]
    _xml(XML_NUMBER, data, rng, [*absurd, *WORDS[:8], b"2", b"10"][rng.integers(len(absurd) + 10)])


def _xml_word(data: bytearray, rng: np.random.Generator) -> None:
    """A name, type or attribute becomes another that is there, or nonsense."""
    words = [*{*XML_WORD.findall(data, max(data.find(b"<?xml"), 0))}]
    words = [*sorted(words), WORDS[rng.integers(len(WORDS))]]
    _xml(XML_WORD, data, rng, words[rng.integers(len(words))])


def _xml_line(data: bytearray, rng: np.random.Generator) -> None:
    """An element left out, doubled, or put in place of another."""
    lines = XML_LINE.findall(data, max(data.find(b"<?xml"), 0))
    if lines:
        count = int(rng.choice([0, 1, 2, 500]))
        _xml(XML_LINE, data, rng, lines[rng.integers(len(lines))] * count)


E57_KINDS = [_e57_header, _section, _section, _xml_number, _xml_number, _xml_word, _xml_line]


def _lie(data: bytearray, at: int, kind: str, rng: np.random.Generator) -> None:
    """Another number in place of the one at a place: one more or less, or absurd."""
    size = struct.calcsize("<" + kind)
    if at + size > len(data):
        return
    if kind == "d":
        struct.pack_into("<d", data, at, [0.0, -1.0, 1e-9, *FLOATS][rng.integers(3 + len(FLOATS))])
        return
    value = int.from_bytes(data[at : at + size], "little")
    near = (value + 1, value - 1, value * 2, value + ENTRY, len(data), len(data) - value)
    options = [*near, *ABSURD]
    value = options[rng.integers(len(options))] % (1 << 8 * size)
    data[at : at + size] = value.to_bytes(size, "little")
