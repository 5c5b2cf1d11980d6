"""One HTML page to look at point clouds in any browser, by WebGL 2, without a network.

The points are in the page itself, or are asked from the server that made it (`salanet.view.live`).
Each has 16 bits for a coordinate, a byte for every other value; coordinates are stored as the
differences between points that follow each other, which compresses them to about a half.
"""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salanet.errors import DataError
from salanet.io import atomic_path
from salanet.view.colours import (
    NONE,
    RAMPS,
    RIGHT,
    UNKNOWN,
    WRONG,
    Classes,
    Mode,
    best_mode,
    ends_of,
    modes,
    ramp,
    ramp_of,
    scaled,
    title_of,
    values,
)
from salanet.view.picture import ceiling
from salanet.view.sample import Sample
from salanet.view.scale import symbol

NO_RAMP = ("class", "truth", "error", "rgb")
STEPS = 65535  # of a coordinate
SHARED = 0.3  # of the smallest extent from side to side: as much as clouds in one place share
CELLS = 192  # along the longest side, to find how far points are apart
# Of the file's x, y and z: which drawn axis each is, and with which sign.
FILE_AXES = {
    "z": ((0, 1), (1, 1), (2, 1)),
    "-z": ((0, 1), (1, -1), (2, -1)),
    "y": ((0, 1), (2, 1), (1, -1)),
    "-y": ((0, 1), (2, -1), (1, 1)),
}
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; "
    "connect-src {}"
)
SHARED_SCRIPTS = (
    "data.js", "draw.js", "camera.js", "scene.js", "pick.js", "overlay.js", "profile.js",
    "detail.js", "legend.js", "pointer.js", "page.js",
)  # fmt: skip
SCRIPTS = (
    *SHARED_SCRIPTS,
    "measure.js",
    "box.js",
    "address.js",
    "screenshot.js",
    "tools_of_view.js",
)


@dataclass(frozen=True)
class Page:
    """A page and the points it shows, ready to be embedded or served."""

    title: str
    head: dict[str, Any]
    payloads: list[bytes]
    classes: Classes

    def html(self, urls: Sequence[str] | None = None, *, detail: bool = False) -> str:
        """The page: with the points inside, or where `urls` say they are.

        Args:
            detail: all points of a view can be asked for.
        """
        head = self.head | {"detail": detail}
        if urls is not None:
            panels = [p | {"url": url} for p, url in zip(head["panels"], urls, strict=True)]
            head = head | {"panels": panels}
        packed = [] if urls is not None else map(_packed, self.payloads)
        elements = [
            f'<script type="application/octet-stream" id="data-{i}">{text}</script>'
            for i, text in enumerate(packed)
        ]
        return document(
            title=escape(self.title),
            policy=POLICY.format("'none'" if urls is None else "'self'"),
            style=f"<style>{packaged('page.css')}</style>",
            tools="",
            controls=packaged("view_tools.html"),
            help=packaged("view_help.html"),
            head=script_json(head),
            payloads="\n".join(elements),
            script=f"<script>{scripts(SCRIPTS)}</script>",
        )


def write_page(
    samples: Sequence[Sample],
    path: Path,
    *,
    classes: Classes | None = None,
    title: str | None = None,
    mode: Mode | None = None,
) -> None:
    """Write a page with everything in it: it opens from disk and can be sent to somebody.

    Args:
        samples: what to show, beside each other; see `Sample.of` for a cloud in memory.
        classes: names and colours of the labels. Default: as the samples name them.
        mode: what to colour by at first.

    Raises:
        DataError: nothing to show, or a sample without points.
        FileError: the path cannot be written.
    """
    page = make_page(samples, classes=classes, title=title, mode=mode)
    with atomic_path(path) as temporary:
        temporary.write_text(page.html(), encoding="utf-8")


def make_page(
    samples: Sequence[Sample],
    *,
    classes: Classes | None = None,
    title: str | None = None,
    mode: Mode | None = None,
) -> Page:
    """A page of samples; see `write_page`."""
    if not samples or not all(map(len, samples)):
        raise DataError("there are no points to show")
    classes = classes or Classes.of_samples(samples)
    if mode is not None and not any(mode in modes(sample) for sample in samples):
        there = dict.fromkeys(m for sample in samples for m in modes(sample))
        raise DataError(f"nothing here can be coloured by {mode}; there is {', '.join(there)}")
    alike = overlap(samples)
    middle = _middle(samples[0].drawn)
    panels, payloads = [], []
    for sample in samples:
        panel, payload = panel_of(sample, classes, middle if alike else _middle(sample.drawn))
        panels.append(panel)
        payloads.append(payload)
    first = panels[0]
    head = head_of(classes) | {
        "mode": mode or best_mode(samples[0]),
        "linked": alike,
        "cut": first["top"],
        "panels": panels,
    }
    return Page(title or " | ".join(sample.name for sample in samples), head, payloads, classes)


def head_of(classes: Classes) -> dict[str, Any]:
    """What the page's scripts know of classes and colours."""
    return {
        "classes": class_entries(classes),
        "errors": [
            {"name": name, "colour": colour}
            for name, colour in (("right", RIGHT), ("wrong", WRONG), ("truth unknown", UNKNOWN))
        ],
        "ramps": {name: ramp(name).reshape(-1).tolist() for name in RAMPS},
    }


def class_entries(classes: Classes) -> list[dict[str, Any]]:
    """What the page's scripts know of each class."""
    columns = zip(classes.codes, classes.names, classes.colours, strict=True)
    return [{"code": code, "name": name, "colour": colour} for code, name, colour in columns]


def document(**values: str) -> str:
    """The page, with what stands in it: HTML, and the JSON of `head`."""
    # In one pass: nothing that is put in is searched again.
    return re.sub(r"\{\{(\w+)\}\}", lambda found: values[found[1]], packaged("page.html"))


def scripts(names: Sequence[str]) -> str:
    """Several of the packaged scripts as one."""
    return "\n".join(map(packaged, names))


def script_json(value: Any) -> str:
    """JSON that can stand inside a script element: nothing in it ends or opens one."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def packaged(name: str) -> str:
    """The text of one of the files that pages are made of."""
    return resources.files("salanet.view").joinpath("page_files", name).read_text("utf-8")


def panel_of(
    sample: Sample,
    classes: Classes,
    shift: NDArray[np.float64],
    like: dict[str, Any] | None = None,
) -> tuple[dict[str, Any], bytes]:
    """What the page's scripts know of a sample, and its points.

    Args:
        sample: what is shown.
        classes: that there are on the page.
        shift: (3,), the origin of what is drawn.
        like: a panel whose ramps mean the same.
    """
    xyz = sample.drawn
    low, high = xyz.min(axis=0), xyz.max(axis=0)
    step = np.maximum((high - low) / STEPS, 1e-12)
    inner_low, inner_high = np.percentile(xyz, (0.2, 99.8), axis=0)
    top = ceiling(xyz, sample.unit)
    planes = _coordinates(np.rint((xyz - low) / step).astype(np.uint16))
    there = modes(sample)
    ends = {mode: ends_of(values(sample, mode), mode) for mode in there if mode not in NO_RAMP}
    if like is not None:
        ends |= {mode: tuple(like["ends"][mode]) for mode in ends if mode in like["ends"]}
    parts = _parts(sample, classes, ends)
    panel = {
        "name": sample.name,
        "total": sample.total,
        "shown": len(sample),
        "modes": there,
        "titles": {mode: title_of(mode) for mode in there},
        "ramps": {mode: ramp_of(mode) for mode in ends},
        "parts": [*parts],
        "further": [*sample.further],
        "unit": symbol(sample),
        "metres": sample.unit,
        "up": sample.up,
        "axes": FILE_AXES[sample.up],
        "low": low.tolist(),
        "base": (low - shift).tolist(),
        "step": step.tolist(),
        "tall": float(high[2] - low[2]),
        "middle": ((inner_low + inner_high) / 2 - shift).tolist(),
        "half": np.maximum((inner_high - inner_low) / 2, 1e-6).tolist(),
        "height": [v - float(shift[2]) for v in ends["height"]],
        "ends": ends,
        "spacing": _spacing(xyz - low),
        "top": float((top - low[2]) / (high[2] - low[2])) if np.isfinite(top) else None,
        "url": None,
    }
    further = [scaled(array, ends[name]) for name, array in sample.further.items()]
    return panel, b"".join([planes, *(part.tobytes() for part in [*parts.values(), *further])])


def _coordinates(steps: NDArray[np.uint16]) -> bytes:
    """Differences to the point before, the high bytes of an axis before the low ones."""
    planes = []
    for axis in steps.T:
        change = np.diff(axis, prepend=np.uint16(0))
        planes += [(change >> 8).astype(np.uint8).tobytes(), change.astype(np.uint8).tobytes()]
    return b"".join(planes)


def _parts(
    sample: Sample, classes: Classes, ends: dict[str, tuple[float, float]]
) -> dict[str, NDArray[np.uint8]]:
    parts: dict[str, NDArray[np.uint8]] = {}
    for name, label in (("label", sample.label), ("truth", sample.truth)):
        if label is not None:
            parts[name] = classes.index(label)
            assert not len(parts[name]) or parts[name].max() < NONE
    if sample.confidence is not None:
        parts["confidence"] = scaled(sample.confidence, ends["confidence"])
    if sample.intensity is not None:
        parts["intensity"] = scaled(sample.intensity, ends["intensity"])
    if sample.rgb is not None:
        parts |= dict(zip(("red", "green", "blue"), sample.rgb.T, strict=True))
    return parts


def _spacing(xyz: NDArray[np.float64]) -> float:
    """About how far points are apart on their surfaces: from the cubes that hold any."""
    side = max(float(xyz.max()), 1e-9) / CELLS
    at = np.minimum((xyz / side).astype(np.int32), CELLS - 1)
    full = np.zeros(CELLS**3, bool)
    full[(at[:, 0] * CELLS + at[:, 1]) * CELLS + at[:, 2]] = True
    return side * min(1.0, float(np.sqrt(full.sum() / len(xyz))))


def _middle(xyz: NDArray[np.float64]) -> NDArray[np.float64]:
    middle: NDArray[np.float64] = (xyz.min(axis=0) + xyz.max(axis=0)) / 2
    return middle


def overlap(samples: Sequence[Sample]) -> bool:
    """Whether all lie in one place, so that one camera can look at them; neighbours do not."""
    lows = np.array([s.drawn.min(axis=0) for s in samples])
    highs = np.array([s.drawn.max(axis=0) for s in samples])
    shared = highs.min(axis=0) - lows.max(axis=0)
    needed = SHARED * (highs - lows).min(axis=0) * (1, 1, 0)
    return bool((shared >= needed).all())


def _packed(payload: bytes) -> str:
    return base64.b64encode(zlib.compress(payload, 6)).decode()
