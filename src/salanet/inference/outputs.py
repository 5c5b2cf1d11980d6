"""Where predictions go, and what they add to a cloud."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from salanet.cloud import PointCloud
from salanet.errors import ConfigError, FileError
from salanet.inference.segment import Segmentation
from salanet.io import SUFFIXES, WRITABLE, require_writable
from salanet.models import Network

# Before the suffix of an output whose name was not given.
MARK = ".labelled"
# Nothing is written in these formats; their points go to LAZ.
READ_ONLY = {*SUFFIXES} - {*WRITABLE}
# LAS allows no longer names.
LONGEST_NAME = 32


def plan_outputs(files: Sequence[Path], output: Path | None) -> list[Path]:
    """The output of each input: as named, in the folder named, or beside the input.

    `output` is a folder if there are several inputs, if it is one already, or if it has no
    suffix; it need not exist (`make_folder`). What would fail after the work is found before it.

    Raises:
        FileError: an input does not exist, an output would overwrite an input or cannot be
            written.
        ConfigError: two inputs would have the same output.
    """
    for path in files:
        if not path.is_file():
            raise FileError(path, "no such file")
    paths = [_output(path, output, len(files)) for path in files]
    inputs = {path.resolve() for path in files}
    for i, path in enumerate(paths):
        if path.resolve() in inputs:
            raise FileError(path, "is an input and would be overwritten; name another output")
        require_writable(path)
        if path in paths[:i]:
            raise ConfigError(f"two inputs would both become {path}; predict them separately")
        in_folder = output is not None and path != output
        check_writable(_existing(path.parent) / path.name if in_folder else path)
    return paths


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
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise FileError(path, f"cannot write here ({error.strerror or error})") from error


def label_cloud(cloud: PointCloud, found: Segmentation, model: Network) -> None:
    """Put the classes into the cloud, as the codes of the training files, and probabilities.

    Probabilities become float32 attributes named p_ and the class.
    """
    cloud.label = class_codes(model)[found.labels]
    if found.probabilities is not None:
        for i, name in enumerate(model.config.classes):
            key = f"p_{name.replace(' ', '_')}"[:LONGEST_NAME]
            cloud.attributes[key] = np.ascontiguousarray(found.probabilities[:, i])


def class_codes(model: Network) -> np.ndarray:
    """The code each class is written as, int32 (C,); the class index where the model has none."""
    codes = model.metadata.get("codes")
    count = len(model.config.classes)
    if isinstance(codes, list) and len(codes) == count:
        return np.asarray(codes, dtype=np.int32)
    return np.arange(count, dtype=np.int32)


def _output(path: Path, output: Path | None, count: int) -> Path:
    suffix = path.suffix
    if suffix.lower() in READ_ONLY:
        suffix = ".laz"
    name = f"{path.stem}{MARK}{suffix}"
    if output is None:
        return path.with_name(name)
    if count == 1 and output.suffix and not output.is_dir():
        return output
    return output / name


def _existing(folder: Path) -> Path:
    """The nearest of a folder and those above it that is there already."""
    return next((f for f in (folder, *folder.parents) if f.exists()), folder)
