"""Model files that lie in a known place: their JSON, their sizes and types, their offsets."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np

NUMBERS = [
    0,
    1,
    2,
    3,
    -1,
    7,
    64,
    65,
    255,
    256,
    10**5,
    10**9,
    2**31,
    2**63,
    10**30,
    0.5,
    1e-300,
    1e300,
]
VALUES: list[Any] = [
    *NUMBERS, float("inf"), float("nan"), None, True, False, "", "sala", "\x1b[31m\n", "1" * 5000,
    [], {}, [[]], [1] * 300, ["a"] * 300, [None], {"a": 1}, [[1, 2, 3]], [10**30], ["\ud800"],
]  # fmt: skip
WORDS = {
    "operator": ["sala", "sala_g4", "kpconv", "kpconv_deformable", "pospool", "pospool_sincos",
                 "pointwise_mlp", "pseudo_grid", "adaptive_weight", "spherical", "spherical_fuzzy",
                 "xconv", "graph_attention"],
    "network": ["salanet", "gacnet", "kpfcnn", "pointasnl", "pointcnn", "pointnet", "pointnet2",
                "randlanet", "resgcn28", "spg"],
    "operator_options": ["groups", "lift", "hidden", "points", "bins", "multiplier", "extent",
                         "norm", "positional", "reduction", "assignment", "width", "bn_momentum",
                         "dilation", "lifted"],
    "metadata": ["codes", "colours", "spacing", "intensity_scale", "optional", "domain", "recipe",
                 "card", "metrics", "precision", "trained", "licence", "training_data", "file"],
}  # fmt: skip
TYPES = ["F64", "F32", "F16", "BF16", "I64", "I32", "I8", "U8", "BOOL", "F8_E4M3", "C64", "X"]


def damage_model(data: bytes, rng: np.random.Generator) -> bytes:
    """A `.safetensors` model with one to three lies; the rest of it is in order."""
    length = struct.unpack("<Q", data[:8])[0]
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    for _ in range(rng.integers(1, 4)):
        lie = LIES[rng.integers(len(LIES))]
        body = lie(header, body, rng)
    text = json.dumps(header).encode()
    size = len(text) if rng.random() < 0.97 else int(rng.choice([0, 1, len(text) + 9, 2**40]))
    made = struct.pack("<Q", size) + text + body
    return made if rng.random() < 0.95 else made[: rng.integers(len(made))]


def _pick(values: list[Any], rng: np.random.Generator) -> Any:
    return values[rng.integers(len(values))]


def _document(header: dict[str, Any], change: Any) -> None:
    """Change the JSON document within the metadata, as long as it is one."""
    try:
        document = json.loads(header["__metadata__"]["salanet"])
        change(document)
        header["__metadata__"]["salanet"] = json.dumps(document)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        return


def _config(header: dict[str, Any], body: bytes, rng: np.random.Generator) -> bytes:
    def change(document: Any) -> None:
        config = document["config"]
        name = _pick([*config], rng)
        options = WORDS.get(name, [])
        if name == "operator_options":
            config[name][_pick(options, rng)] = _pick(VALUES, rng)
        elif name == "neighbours" and rng.random() < 0.5:
            config[name][rng.integers(5)] = _pick(VALUES, rng)
        else:
            config[name] = _pick(VALUES + options, rng)

    _document(header, change)
    return body


def _metadata(header: dict[str, Any], body: bytes, rng: np.random.Generator) -> bytes:
    def change(document: Any) -> None:
        value = _pick(VALUES, rng)
        if rng.random() < 0.3:
            value = [_pick(VALUES, rng) for _ in range(2)]  # as many as there are classes
        document["metadata"][_pick(WORDS["metadata"], rng)] = value

    _document(header, change)
    return body


def _entries(header: dict[str, Any], body: bytes, rng: np.random.Generator) -> bytes:
    def change(document: Any) -> None:
        where = _pick([document, document["config"]], rng)
        name = _pick([*where, "more"], rng)
        if rng.random() < 0.5:
            where.pop(name, None)
        else:
            where[name] = _pick(VALUES, rng)

    _document(header, change)
    return body


def _text(header: dict[str, Any], body: bytes, rng: np.random.Generator) -> bytes:
    texts = ["", "{", "null", "[]", "0", "[" * 50_000, '{"config":' * 20_000, "\ufeff{}", "NaN"]
    header["__metadata__"] = _pick([{"salanet": _pick(texts, rng)}, {}, None, {"other": "x"}], rng)
    return body


def _tensor(header: dict[str, Any], body: bytes, rng: np.random.Generator) -> bytes:
    names = [name for name in header if name != "__metadata__"]
    if not names:
        return body
    name = _pick(names, rng)
    if not isinstance(header[name], dict):
        return body
    choice = rng.integers(6)
    if choice == 0:
        header.pop(name)
    elif choice == 1:
        header[_pick([*names, "more", ""], rng)] = header.pop(name)
    elif choice == 2:
        header[name]["dtype"] = _pick(TYPES, rng)
    elif choice == 3:
        shape = header[name]["shape"]
        header[name]["shape"] = _pick(
            [shape[::-1], [*shape, 1], [0], [], [10**18, 0], [2**62]], rng
        )
    elif choice == 4:
        header[name]["data_offsets"][rng.integers(2)] += int(_pick([-4, 4, 1, 2**40], rng))
    else:
        header[name] = _pick(VALUES, rng)
    return body


def _numbers(_: dict[str, Any], body: bytes, rng: np.random.Generator) -> bytes:
    """NaN, infinities and noise in the weights."""
    made = bytearray(body)
    for _ in range(rng.integers(1, 50)):
        at = 4 * int(rng.integers(max(len(made) // 4, 1)))
        made[at : at + 4] = struct.pack("<f", _pick([np.nan, np.inf, -np.inf, 3e38, 0.0], rng))
    return bytes(made[: len(body)])


def _narrower(header: dict[str, Any], _: bytes, rng: np.random.Generator) -> bytes:
    """Another type for every tensor, of the right size: half the numbers, or a quarter."""
    kind, size = _pick([("F16", 2), ("BF16", 2), ("I32", 4), ("U8", 1), ("C64", 8)], rng)
    at, parts = 0, []
    for name, tensor in header.items():
        if name == "__metadata__" or not isinstance(tensor, dict):
            continue
        bytes_ = int(np.prod(tensor.get("shape") or [1], dtype=np.float64)) * size
        tensor |= {"dtype": kind, "data_offsets": [at, at + bytes_]}
        at += bytes_
        parts.append(bytes(min(bytes_, 1 << 16)))
    return b"".join(parts)


LIES = [_config, _config, _config, _metadata, _metadata, _entries, _text, _tensor, _tensor,
        _numbers, _narrower]  # fmt: skip
