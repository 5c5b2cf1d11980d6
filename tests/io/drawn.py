"""Files whose structure is drawn at random: headers that parse, or nearly, and points that fit."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

Rng = np.random.Generator
ODD = (0, 0, 2, 3, 7, 100, 2**31, 2**32, 10**12)  # numbers of values, points and lists
NAMES = ("rgb", "label", "intensity", "_", "_", "ring", "normal", *"abcdefgh", "red", "x", "r\0ng")
KINDS = [("F", 4), ("F", 8), *(("U", size) for size in (1, 2, 4, 8)), ("I", 1), ("I", 4), ("I", 8)]
FEW_ROWS = 64


def few(rng: Rng, usual: int) -> int:
    """Mostly the usual number; sometimes another, possibly absurd."""
    return usual if rng.random() < 0.97 else int(ODD[rng.integers(len(ODD))])


def pick(rng: Rng, choices: Any) -> Any:
    return choices[rng.integers(len(choices))]


def numbers(rng: Rng, count: int) -> list[str]:
    """Words of a text file: whole, with fractions, long, not finite, and a few that are none."""
    odd = (
        "1",
        "-2",
        "0.5",
        "1e30",
        "nan",
        "inf",
        "9" * 25,
        "1614596400.123456789",
        "1,5",
        "x",
        "",
    )
    usual = rng.random(count) < 0.99
    return [f"{rng.random() * 9:.3f}" if u else str(pick(rng, odd)) for u in usual]


def pcd(_: bytes, rng: Rng) -> bytes:
    """Fields of any name, type and count around x y z; organised, packed and padded."""
    fields = [(axis, "F", int(pick(rng, (4, 8))), 1) for axis in "xyz"]
    for _ in range(rng.integers(6)):
        kind, size = pick(rng, KINDS)
        fields.insert(rng.integers(len(fields) + 1), (pick(rng, NAMES), kind, size, few(rng, 1)))
    width, height = int(rng.integers(9)), int(rng.integers(1, 5))
    points = few(rng, width * height)
    encoding = pick(rng, ("ascii", "binary", "binary_compressed"))
    lines = ["VERSION 0.7"]
    columns = zip(*fields, strict=True)
    for key, values in zip(("FIELDS", "TYPE", "SIZE", "COUNT"), columns, strict=True):
        if rng.random() < 0.99:
            lines.append(" ".join([key, *map(str, values)]))
    lines += [f"WIDTH {few(rng, width)}", f"HEIGHT {few(rng, height)}", f"POINTS {points}"]
    if rng.random() < 0.1:
        rng.shuffle(lines)
    head = "\n".join([*lines, f"DATA {encoding}", ""]).encode()
    count = min(width * height, FEW_ROWS)
    size = sum(size * min(n, 99) for _, _, size, n in fields)
    if encoding == "ascii":
        values = sum(min(n, 99) for *_, n in fields)
        return head + "\n".join(" ".join(numbers(rng, values)) for _ in range(count)).encode()
    body = floats(rng, few_bytes(rng, count * size))
    if encoding == "binary":
        return head + body
    import lzf

    packed = lzf.compress(body, 2 * len(body) + 64) if body else b""
    return head + struct.pack("<II", few(rng, len(packed)) % 2**32, len(body)) + packed


def few_bytes(rng: Rng, size: int) -> int:
    return max(0, size + int(pick(rng, (*[0] * 18, -1, 3))))


def floats(rng: Rng, size: int) -> bytes:
    """Bytes that are mostly float32 of everyday size, NaN among them."""
    values = rng.random(size // 4 + 1, np.float32)
    values[rng.random(len(values)) < 0.1] = np.nan
    return values.tobytes()[:size]


def ply(_: bytes, rng: Rng) -> bytes:
    """Elements of any name, with lists, integers of 8 bytes and every end of line."""
    encoding = pick(rng, ("ascii", "binary_little_endian", "binary_big_endian"))
    order, newline = ">" if "big" in encoding else "<", pick(rng, ("\n", "\n", "\r\n", "\r"))
    types = {"float": "f", "double": "d", "uchar": "B", "short": "h", "int64": "q", "uint64": "Q"}
    lines, body = ["ply", f"format {encoding} 1.0"], b""
    for name in ("vertex", "testing", "face")[rng.integers(3) :][: rng.integers(1, 4)]:
        count = int(rng.integers(9))
        properties = [(axis, pick(rng, ("float", "double")), "") for axis in "xyz"]
        for _ in range(rng.integers(4)):
            kind, listed = pick(rng, [*types]), pick(rng, ("", "", "uchar", "short"))
            column = (pick(rng, NAMES[:-1]), kind, listed)
            properties.insert(rng.integers(len(properties) + 1), column)
        lines.append(f"element {name} {few(rng, count)}")
        for column, kind, listed in properties:
            lines.append(f"property {f'list {listed} ' if listed else ''}{kind} {column}")
        same = int(rng.integers(4)) if rng.random() < 0.5 else None
        for _ in range(count):
            row: list[str] = []
            for _, kind, listed in properties:
                n = 1 if not listed else int(rng.integers(4)) if same is None else same
                said = few(rng, n) % 128
                if encoding == "ascii":
                    row += [str(said)] * bool(listed) + numbers(rng, n)
                else:
                    body += struct.pack(order + types[listed], said) if listed else b""
                    body += floats(rng, struct.calcsize(types[kind]) * n)
            body += f"{' '.join(row)}{newline}".encode() if encoding == "ascii" else b""
    body = body[: len(body) - int(pick(rng, (*[0] * 9, 1)))]
    return newline.join([*lines, "end_header", ""]).encode() + body


def text(_: bytes, rng: Rng) -> bytes:
    """Heads, numbers of points, delimiters and encodings in any combination."""
    delimiter, end = pick(rng, (" ", ",", ";", "\t", ", ")), pick(rng, ("", "", "{}", " "))
    width, count = int(pick(rng, (3, 3, 4, 6, 7))), int(rng.integers(9))
    names = ["x", "y", "z", *(pick(rng, NAMES) for _ in range(width - 3))]
    head = [pick(rng, ("//", "# ", "")) + delimiter.join(names) + end.format(delimiter)]
    head += [str(few(rng, count)), "# a comment", "", "ncols 4", "X Y Z"]
    lines = [line for line in head if rng.random() < 0.4]
    for scan in range(rng.integers(1, 4)):
        lines += [str(few(rng, count))] * bool(scan)
        for _ in range(count):
            lines.append(delimiter.join(numbers(rng, width)) + end.format(delimiter))
    encoding = pick(rng, ("utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-be", "latin-1"))
    return pick(rng, ("\n", "\r\n", "\r")).join(lines).encode(encoding)
