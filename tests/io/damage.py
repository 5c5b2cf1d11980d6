"""Ways to damage a file: cut, bits turned, pieces moved, absurd numbers and words, other bytes."""

from __future__ import annotations

import struct
import zipfile
from functools import lru_cache
from io import BytesIO

import numpy as np

PAGE, PAYLOAD = 1024, 1020  # of an E57, whose pages end with a checksum
ABSURD = (0, -1, 1, 127, 255, 0x7FFF, 0xFFFF, 2**31 - 1, 2**32 - 1, 2**63 - 1, 2**63, 10**12)
WORDS = (
    *(b"0", b"-1", b"1e308", b"-1e30", b"nan", b"inf", b"4294967295", b"9223372036854775808"),
    *(b"9" * 5000, b"[" * 20_000, b"{a: " * 5000, "١٢".encode(), b"\0", "☃".encode(), b""),
    *(b" ", b"\n", b"1_000", b"0x10"),
)
FLOATS = (np.nan, np.inf, -np.inf, 1e30, -1e308, 5e-324, 1e18)


def damage(data: bytes, rng: np.random.Generator) -> bytes:
    """One to three kinds of damage."""
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        if data:
            data = KINDS[rng.integers(len(KINDS))](data, rng)
    return data


def damage_zip(data: bytes, rng: np.random.Generator) -> bytes:
    """Mostly inside the members, with the sums of the archive right; else the archive itself."""
    if rng.random() < 0.3:
        return damage(data, rng)
    with zipfile.ZipFile(BytesIO(data)) as archive:
        members = [(i.filename, i.compress_type, archive.read(i)) for i in archive.infolist()]
    chosen = rng.integers(len(members))
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for i, (name, how, content) in enumerate(members):
            archive.writestr(name, damage(content, rng) if i == chosen else content, how)
    return buffer.getvalue()


def truncate(data: bytes, rng: np.random.Generator) -> bytes:
    return data[: rng.integers(len(data))]


def flip_bits(data: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(data)
    for at in rng.integers(len(data), size=rng.integers(1, 16)):
        changed[at] ^= 1 << rng.integers(8)
    return bytes(changed)


def splice(data: bytes, rng: np.random.Generator) -> bytes:
    """A piece left out, repeated, or put elsewhere."""
    begin, end = sorted(rng.integers(len(data) + 1, size=2))
    end = min(end, begin + int(rng.choice([1, 4, 30, 1000, 100_000])))
    piece, at = data[begin:end], rng.integers(len(data) + 1)
    match rng.integers(4):
        case 0:
            return data[:begin] + data[end:]
        case 1:
            return data[:at] + piece + data[at:]
        case 2:
            return data[:at] + piece + data[at + len(piece) :]
    return data + piece * int(rng.integers(1, 4))


def absurd_number(data: bytes, rng: np.random.Generator) -> bytes:
    """An integer nobody expects, mostly where headers are."""
    width = int(rng.choice([1, 2, 4, 8]))
    reach = len(data) if rng.random() < 0.3 else min(len(data), int(rng.choice([64, 400, 4000])))
    at = int(rng.integers(reach))
    if rng.random() < 0.5:
        at -= at % width
    value = ABSURD[rng.integers(len(ABSURD))] % (1 << 8 * width)
    order = "little" if rng.random() < 0.8 else "big"
    return data[:at] + value.to_bytes(width, order) + data[at + width :]


def absurd_float(data: bytes, rng: np.random.Generator) -> bytes:
    kind = "<d" if rng.random() < 0.5 else "<f"
    at = int(rng.integers(len(data)))
    value = FLOATS[rng.integers(len(FLOATS))]
    with np.errstate(over="ignore"):
        value = float(np.float32(value)) if kind == "<f" else value
    return data[:at] + struct.pack(kind, value) + data[at + struct.calcsize(kind) :]


def absurd_word(data: bytes, rng: np.random.Generator) -> bytes:
    """In place of a number or word of a text, mostly near its beginning."""
    reach = data[: int(rng.choice([300, 3000, len(data)]))]
    starts = [i for i in range(len(reach)) if reach[i : i + 1].isalnum()]
    if not starts:
        return data
    begin = starts[rng.integers(len(starts))]
    end = begin
    while end < len(data) and data[end : end + 1].isalnum():
        end += 1
    return data[:begin] + WORDS[rng.integers(len(WORDS))] + data[end:]


def other_bytes(data: bytes, rng: np.random.Generator) -> bytes:
    at, count = int(rng.integers(len(data))), int(rng.choice([1, 3, 50]))
    new = rng.bytes(count) if rng.random() < 0.5 else WORDS[rng.integers(len(WORDS))]
    return data[:at] + new + data[at + (len(new) if rng.random() < 0.5 else 0) :]


KINDS = [
    *(truncate, flip_bits, splice, absurd_number, absurd_number),
    *(absurd_float, absurd_word, absurd_word, other_bytes),
]


def mend_e57(data: bytes) -> bytes:
    """Right checksums on every whole page: CRC-32C, most significant byte first."""
    whole = len(data) // PAGE * PAGE
    pages = (data[i : i + PAYLOAD] for i in range(0, whole, PAGE))
    return b"".join(page + crc32c(page).to_bytes(4, "big") for page in pages) + data[whole:]


def _castagnoli() -> list[int]:
    table = [*range(256)]
    for _ in range(8):
        table = [value >> 1 ^ (0x82F63B78 if value & 1 else 0) for value in table]
    return table


TABLE = _castagnoli()


@lru_cache(maxsize=256)  # most pages are as they were
def crc32c(data: bytes) -> int:
    """Castagnoli's checksum."""
    state = 0xFFFFFFFF
    for byte in data:
        state = TABLE[(state ^ byte) & 0xFF] ^ (state >> 8)
    return state ^ 0xFFFFFFFF
