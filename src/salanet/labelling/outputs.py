"""Where predictions go, and what they add to a cloud."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salanet.cloud import NO_LABEL, PointCloud, usable_names
from salanet.errors import ConfigError, FileError
from salanet.io import MESHES, SUFFIXES, WRITABLE, require_writable
from salanet.io.atomic import require_folder
from salanet.io.las import copc
from salanet.io.las.asprs import ASPRS, is_standard
from salanet.io.las.octree import is_copc
from salanet.model_file import Described
from salanet.sampling.noise import flagged

# Before the suffix of an output whose name was not given.
MARK = ".labelled"
# Nothing is written in these formats; their points go to LAZ, meshes to PLY.
READ_ONLY = {*SUFFIXES} - {*WRITABLE}
# LAS allows no longer names, in bytes.
LONGEST_NAME = 32
# Fields of clouds, which formats may hold under the same names.
RESERVED = ("rgb", "intensity", "label", "classification")
# What classes for everything else are called.
RESTS = ("clutter", "other", "others", "rest", "unclassified", "unassigned")
LOW_NOISE, HIGH_NOISE, NOISE = 7, 18, "noise"


def plan_outputs(files: Sequence[Path], output: Path | None, mark: str = MARK) -> list[Path]:
    """The output of each input: as named, in the folder named, or beside the input.

    `output` is a folder if there are several inputs, if it is one already, or if it has no
    suffix; it need not exist (`make_folder`). What would fail after the work is found before it.
    `mark` stands before the suffix of names that were not given.

    Raises:
        FileError: an input does not exist, an output would overwrite an input or cannot be
            written.
        ConfigError: two inputs would have the same output.
    """
    for path in files:
        if not path.is_file():
            raise FileError(path, "no such file")
    paths = [_output(path, output, len(files), mark) for path in files]
    inputs = {path.resolve() for path in files}
    taken: set[Path] = set()
    for source, path in zip(files, paths, strict=True):
        if path.resolve() in inputs:
            raise FileError(path, "is an input and would be overwritten; name another output")
        require_writable(path, source)
        if path in taken:
            raise ConfigError(f"two inputs would both become {path}; predict them separately")
        taken.add(path)
        in_folder = output is not None and path != output
        check_writable(_existing(path.parent) / path.name if in_folder else path)
    return paths


def scan_output(path: Path, number: int) -> Path:
    """The output of one scan of several: NAME.scanN before the mark and the suffix."""
    stem = path.stem
    mark = MARK if stem.endswith(MARK) else ""
    return path.with_name(f"{stem.removesuffix(MARK)}.scan{number}{mark}{path.suffix}")


def make_folder(path: Path) -> None:
    """Create the folder of an output; FileError if that is refused."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(path.parent, f"cannot be created ({error.strerror})") from error


def check_writable(path: Path) -> None:
    """Raise FileError unless a file can be created beside `path` and it is no folder."""
    if path.is_dir():
        raise FileError(path, "cannot write here, this is a folder")
    require_folder(path)
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise FileError(path, f"cannot write here ({error.strerror or error})") from error


def extra_names(
    model: Described,
    taken: Iterable[str] = (),
    *,
    probabilities: bool = False,
    confidence: bool = False,
    entropy: bool = False,
) -> tuple[list[str], list[str]]:
    """The names of `extra_columns`: p_CLASS, confidence, entropy; numbered where `taken`.

    Returns:
        The names, and a remark for each that had to change.
    """
    wanted = [f"p_{'_'.join(name.split())}" for name in model.config.classes if probabilities]
    wanted += ["confidence"] * confidence + ["entropy"] * entropy
    used, names, remarks = {*taken, *RESERVED}, [], []
    for name in wanted:
        free = _free(name, used)
        if free != name:
            remarks.append(f"'{name}' is written as '{free}': that name is taken or too long")
        used.add(free)
        names.append(free)
    return names, remarks


def label_type(codes: Sequence[int]) -> np.dtype[Any]:
    """The type of an attribute of its own that holds some codes."""
    small = all(0 <= code < 256 for code in codes)
    return np.dtype(np.uint8 if small else np.int32)


def extra_columns(
    shares: NDArray[np.float32],
    *,
    probabilities: bool = False,
    confidence: bool = False,
    entropy: bool = False,
) -> list[NDArray[np.float32]]:
    """What is written beside the classes, float32 (N,) each, in the order of `extra_names`.

    Args:
        shares: float32 (N, C), the probability of each class.
        probabilities: each column of `shares`.
        confidence: the largest of the probabilities.
        entropy: of the probabilities, divided by log C: 0 if one class is certain, 1 if all are
            as likely.
    """
    columns = [np.ascontiguousarray(column) for column in shares.T if probabilities]
    if confidence:
        columns.append(shares.max(axis=1))
    if entropy:
        # Class by class: no second array of the size of all probabilities.
        total = np.zeros(len(shares), np.float32)
        for column in shares.T:
            total -= column * np.log(np.maximum(column, np.finfo(np.float32).tiny))
        columns.append(np.clip(total / np.float32(math.log(max(shares.shape[1], 2))), 0, 1))
    return columns


def class_codes(model: Described) -> np.ndarray:
    """The code each class is written as, int32 (C,); the class index where the model has none."""
    codes = model.card.codes
    count = len(model.config.classes)
    if codes is not None and len(codes) == count:
        return np.asarray(codes, dtype=np.int32)
    return np.arange(count, dtype=np.int32)


def left_out_codes(model: Described, points: PointCloud, floor: float) -> NDArray[np.int32]:
    """The codes of points that the network does not see, int32 (N,).

    Where model and cloud have the codes of LAS, points that the file flags keep theirs, and strays
    are noise: low below `floor`, high elsewhere. Else all are of the model's class for the rest, or
    have a code beyond those of the model. Points without finite coordinates have no label.
    """
    nowhere = ~np.isfinite(points.xyz).all(axis=1)
    if is_standard(class_names(model)):
        found = np.where(points.xyz[:, 2] < floor, LOW_NOISE, HIGH_NOISE)
        if points.label is not None and is_standard(points.class_names):
            found = np.where(flagged(points), points.label, found)
        return np.where(nowhere, NO_LABEL, found).astype(np.int32)
    codes = class_codes(model)
    names = [str(name).lower() for name in model.config.classes]
    rest = [code for code, name in zip(codes.tolist(), names, strict=True) if name in RESTS]
    return np.where(nowhere, NO_LABEL, rest[0] if rest else codes.max() + 1).astype(np.int32)


def left_out_names(known: Mapping[int, str], codes: Iterable[int]) -> dict[int, str]:
    """The names of those of `left_out_codes` that are no class of the model, whose are `known`."""
    names = ASPRS if is_standard(known) else {}
    return {code: names.get(code, NOISE) for code in sorted({*codes} - {*known, NO_LABEL})}


def class_names(model: Described) -> dict[int, str]:
    """The name of each code; of both classes where two are written as one."""
    named: dict[int, list[str]] = {}
    for code, name in zip(class_codes(model).tolist(), model.config.classes, strict=True):
        named.setdefault(code, []).append(str(name))
    return usable_names((code, "/".join(names)) for code, names in named.items())


def _output(path: Path, output: Path | None, count: int, mark: str) -> Path:
    suffix = path.suffix
    if suffix.lower() in READ_ONLY:
        suffix = ".ply" if suffix.lower() in MESHES else ".laz"
    stem = path.stem
    if copc.named(path) and is_copc(path):
        stem, suffix = path.name[: -len(copc.SUFFIX)], copc.SUFFIX
    name = f"{stem}{mark}{suffix}"
    if output is None:
        return path.with_name(name)
    if count == 1 and output.suffix and not output.is_dir():
        return output
    return output / name


def _free(name: str, used: set[str]) -> str:
    """The name, or a numbered one, within the bytes that LAS has for it."""
    free, number = _cut(name, LONGEST_NAME), 0
    while free in used:
        number += 1
        free = f"{_cut(name, LONGEST_NAME - 1 - len(str(number)))}_{number}"
    return free


def _cut(name: str, length: int) -> str:
    return name.encode()[:length].decode(errors="ignore")


def _existing(folder: Path) -> Path:
    """The nearest of a folder and those above it that is there already."""
    return next((f for f in (folder, *folder.parents) if f.exists()), folder)
