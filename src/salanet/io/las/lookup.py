"""Names of classes among the records of LAS files.

The standard's own record, Classification Lookup, has 15 bytes for the name of each code from 0 to
255. Where that does not do, or labels are in a dimension of their own, a record of ours has all
names as lines of text (`salanet.io.names`), in UTF-8. Source: LAS 1.4 R15, 2.5.
"""

from __future__ import annotations

import struct

from salanet.cloud import usable_names
from salanet.io import names
from salanet.io.las import asprs
from salanet.io.las.binary import LasFile, Vlr

STANDARD, OURS = (b"LASF_Spec", 0), (b"SalaNet", 1)
CODES, LONGEST = 256, 15
LARGEST = 0xFFFF  # bytes of a record
MOST_SAID = 20  # names in a remark


def read(file: LasFile, classified: bool) -> dict[int, str]:
    """The names of a file's labels; none where the records make no sense.

    Args:
        classified: the labels are the classification, not a dimension of their own.
    """
    records = file.records() | {vlr.key: vlr.data for vlr in reversed(file.vlrs)}
    standard, ours = records.get(STANDARD, b""), records.get(OURS, b"")
    full = names.from_lines(ours.decode("utf-8", "replace").split("\n"))
    if not classified:
        return full
    if full and standard == _pack(full):  # else somebody changed one without the other
        return full
    if len(standard) % (1 + LONGEST) or len(standard) > CODES * (1 + LONGEST):
        return {}
    entries = struct.iter_unpack(f"<B{LONGEST}s", standard)
    return usable_names((code, _text(raw)) for code, raw in entries if raw.strip(b"\0 "))


def put(file: LasFile, wanted: dict[int, str], classified: bool) -> list[str]:
    """Name the labels in the records; returns a remark where others would take them for others.

    Records stay as they are where they say so already, or where the standard does.
    """
    before = read(file, classified)
    if wanted == before or (classified and asprs.is_standard(wanted) and asprs.is_standard(before)):
        return []
    old = {OURS, STANDARD} if classified else {OURS}
    place = next((i for i, vlr in enumerate(file.vlrs) if vlr.key in old), len(file.vlrs))
    after = [vlr for vlr in file.vlrs[place:] if vlr.key not in old]
    text = "\n".join(names.to_lines(wanted)).encode()
    new, remarks = [], list[str]()
    if classified and wanted:
        new.append(Vlr.new(*STANDARD, b"Classification Lookup", _pack(wanted)))
        remarks = _misread(wanted)
    if wanted and not (classified and all(map(_fits, wanted, wanted.values()))):
        if len(text) <= LARGEST:
            new.append(Vlr.new(*OURS, b"Names of label codes", text))
        else:
            remarks.append("the names of the classes are too long for a LAS file: cut or left out")
    file.vlrs[place:] = new + after
    return remarks


def _fits(code: int, name: str) -> bool:
    return 0 <= code < CODES and len(name.encode()) <= LONGEST


def _pack(wanted: dict[int, str]) -> bytes:
    """The standard's record, with names cut to the bytes that it has."""
    record = b""
    for code in range(CODES):
        whole = wanted.get(code, "").encode()[:LONGEST].decode("utf-8", "ignore")
        record += struct.pack(f"<B{LONGEST}s", code, whole.encode())
    return record


def _text(raw: bytes) -> str:
    raw = raw.split(b"\0")[0]
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _misread(wanted: dict[int, str]) -> list[str]:
    others = asprs.contradictions(wanted)
    if not others:
        return []
    # The codes that say nothing of what a point is come last.
    telling = sorted(others, key=lambda code: (code < 2, code))
    there = {code: others[code] for code in telling}
    return [
        f"the labels are {_listed(wanted, MOST_SAID)}; the file names them (record Classification "
        f"Lookup), but programs that do not look there take them for the codes of the LAS "
        f"standard: {_listed(there, 2)}"
    ]


def _listed(named: dict[int, str], most: int) -> str:
    said = [f"{code} {name}" for code, name in named.items()]
    return ", ".join(said[:most]) + (", …" if len(said) > most else "")
