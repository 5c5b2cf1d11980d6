"""A file being edited: its points, what is selected, what was done, and what is shown of it."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salanet.adapt.upright import turned
from salanet.editing.asked import Hit, PickAsked, Place, Select, SurfaceAsked
from salanet.editing.corrections import Corrections, pack_rows, unpack_bytes, unpack_rows
from salanet.editing.edited import EditedFile, Options
from salanet.editing.journal import Entry
from salanet.editing.source import Loaded
from salanet.editing.surface import surface
from salanet.editing.uncertain import FILLING, Patch, patches
from salanet.errors import DataError, FileError
from salanet.view.asked import Detail, Scope
from salanet.view.colours import Classes, best_mode, given_colours
from salanet.view.frame import framed
from salanet.view.page import FILE_AXES, head_of, panel_of
from salanet.view.points import Found, Points
from salanet.view.sample import Sample, picked
from salanet.view.shapes import Balls, Camera

LAYERS = 4  # sets of points shown that are remembered
ASSIGN, RELABEL, UNDO, REDO = "assign", "relabel", "undo", "redo"


class Session:
    """A file that is open for editing, alone; `close` lets others have it.

    Args:
        path: the file.
        options: see `Options`.

    Attributes:
        file: what is on the disk.
        sample: of the points, which tells what was found out about the file.
        classes: that there are; points know theirs by its index.
        corrections: the state.
        resumed: edits that were in the journal.

    Raises:
        FileError: see `EditedFile`.
        ConfigError: options that make no sense.
        DataError: too many classes.
    """

    def __init__(self, path: Path, options: Options | None = None) -> None:
        self.file = EditedFile(path, options or Options())
        try:
            loaded = self.file.load()
            kept = np.flatnonzero(~loaded.lonely)
            self._limit = self.file.options.points
            self.sample = self._framed(loaded, kept)
            self.classes = self._known(loaded.sample)
            assert loaded.sample.label is not None
            self.corrections = Corrections(
                self.classes.index(loaded.sample.label), loaded.marks, len(self.classes.codes)
            )
            drawn = turned(loaded.sample.xyz[kept], self.sample.up)
            self._shift = (drawn.min(axis=0) + drawn.max(axis=0)) / 2
            self._points = Points(drawn - self._shift, kept)
            self._values = {
                n: getattr(loaded.sample, n) for n in ("rgb", "intensity", "confidence")
            }
            self._unsure = loaded.unsure
            self._patches: list[Patch] | None = None
            self._selected, self._count = np.zeros(len(loaded.sample), bool), 0
            self._layers = {0: picked(len(kept), self._limit)}
            self._newest = 0
            self.resumed = len(self.file.entries)
            for number, entry in enumerate(self.file.entries):
                self._again(number, entry)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self.file.close()

    def head(self) -> tuple[dict[str, Any], bytes]:
        """What the page's scripts begin with, and the points of layer 0."""
        panel, payload = self._panel(self._layers[0])
        head = head_of(self.classes) | {
            "mode": "class" if self.corrections.counts.any() else best_mode(self.sample),
            "linked": True,
            "cut": panel["top"],
            "panels": [panel],
            "edits": {
                "file": self.file.path.name,
                "output": self.file.output.name,
                "marks": self.file.options.marks,
                "places": self._unsure is not None,
                "unit": self.sample.unit,
            },
        }
        return head, payload

    def state(self, layers: Sequence[int]) -> tuple[dict[str, Any], list[bytes]]:
        """How things are, and of each layer known: class and selection of its points, in bytes."""
        known = [number for number in layers if number in self._layers]
        parts = []
        for number in known:
            rows = self._points.rows[self._layers[number]]
            label = self.corrections.label[rows]
            parts.append(label.tobytes() + self._selected[rows].tobytes())
        said = {
            "layers": [[number, len(self._layers[number])] for number in known],
            "selected": self._count,
            "counts": self.corrections.counts.tolist(),
            "undo": len(self.corrections.done),
            "redo": len(self.corrections.undone),
            "marked": int(np.count_nonzero(self.corrections.marks)),
        }
        return said, parts

    def select(self, asked: Select) -> None:
        """Select points; what is hidden, cut off or outside the slice is not touched."""
        rows = self._rows(asked)
        if asked.how == "replace":
            self._selected[:] = False
        self._selected[rows] = asked.how != "remove"
        self._count = int(np.count_nonzero(self._selected))

    def clear(self) -> None:
        """Select nothing."""
        self._selected[:] = False
        self._count = 0

    def assign(self, index: int) -> int:
        """Give the selected points a class; returns how many. Nothing stays selected."""
        if index >= len(self.classes.codes):
            raise DataError(f"there is no class {index}")
        rows = np.flatnonzero(self._selected)
        if not len(rows):
            raise DataError("nothing is selected")
        packed = base64.b64encode(pack_rows(rows)).decode()
        code = self.classes.codes[index]
        self.file.journal.append({"do": ASSIGN, "code": code, "points": len(rows), "rows": packed})
        self.corrections.assign(rows, index)
        self.clear()
        return len(rows)

    def relabel(self, codes: NDArray[np.int32]) -> int:
        """Give every point that nobody has assigned the class of its code, int32 (N,), in one step.

        Codes that are no class here change nothing, nor do points that are not shown. Returns how
        many points have another class now.
        """
        known = np.isin(codes, self.classes.codes) & ~self.corrections.marks
        rows = np.sort(self._points.rows[known[self._points.rows]])
        index = self.classes.index(codes[rows])
        other = index != self.corrections.label[rows]
        rows, index = rows[other], index[other]
        if len(rows):
            entry = {"do": RELABEL, "points": len(rows), "codes": [*self.classes.codes]}
            packed = base64.b64encode(pack_rows(rows)).decode()
            given = base64.b64encode(zlib.compress(index.tobytes(), 1)).decode()
            self.file.journal.append(entry | {"rows": packed, "given": given})
            self.corrections.relabel(rows, index)
        return len(rows)

    def undo(self) -> None:
        if not self.corrections.done:
            raise DataError("there is nothing to undo")
        self.file.journal.append({"do": UNDO})
        self.corrections.undo()

    def redo(self) -> None:
        if not self.corrections.undone:
            raise DataError("there is nothing to redo")
        self.file.journal.append({"do": REDO})
        self.corrections.redo()

    def detail(self, asked: Detail) -> tuple[dict[str, Any], bytes] | None:
        """The points of a view as a new layer, all of them if they are not too many; None if the
        view has none."""
        places, whole = self._points.some([asked.view(), *asked.scope.shapes()], self._limit)
        if not len(places):
            return None
        number = self._newest = self._newest + 1
        self._layers[number] = places
        for old in [n for n in self._layers if n][:-LAYERS]:
            del self._layers[old]
        panel, payload = self._panel(self._layers[number])
        return panel | {"layer": number, "whole": whole}, payload

    def hit(self, asked: Hit) -> dict[str, Any] | None:
        """What the mouse points at."""
        found = self._hit(asked.camera.camera(), asked.at, asked.scope)
        return None if found is None else {"at": found.xyz.tolist()}

    def place(self, asked: Place) -> dict[str, Any] | None:
        """The next uncertain place that has points nobody has assigned; None if there is none."""
        if self._unsure is None:
            return None
        if self._patches is None:
            area = float(np.prod(np.maximum(np.ptp(self._points.xyz[:, :2], axis=0), 1e-9)))
            side = float(np.sqrt(area * FILLING / len(self._points)))
            self._patches = patches(self._points, self._unsure, side)
        order = [*range(asked.after + 1, len(self._patches)), *range(asked.after + 1)]
        for number in order:
            patch = self._patches[number]
            left = int(np.count_nonzero(~self.corrections.marks[patch.rows]))
            if left:
                middle, places = patch.middle.tolist(), len(self._patches)
                return {
                    "number": number,
                    "places": places,
                    "points": left,
                    "at": middle,
                    "radius": patch.radius,
                }
        return None

    def result(self) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
        """The code and the mark of every point, in the file's order, for `EditedFile.save`."""
        codes = np.array(self.classes.codes, np.int32)[self.corrections.label]
        return codes, self.corrections.marks.copy()

    def _framed(self, loaded: Loaded, kept: NDArray[np.int64]) -> Sample:
        few = loaded.sample.rows(kept[picked(len(kept), self._limit)])
        options = self.file.options
        return replace(framed(few, options.up, options.units), total=len(loaded.sample))

    def _known(self, every: Sample) -> Classes:
        """The classes of the file, of the journal, and those that can be assigned besides."""
        assert every.label is not None
        codes = {*np.unique(every.label).tolist(), *every.names, *self.file.options.classes}
        codes |= {int(e["code"]) for e in self.file.entries if e["do"] == ASSIGN}
        codes |= {int(c) for e in self.file.entries if e["do"] == RELABEL for c in e["codes"]}
        names = every.names | dict(self.file.options.classes)
        return Classes.of(codes, names, dict(self.file.options.colours))

    def _again(self, number: int, entry: Entry) -> None:
        """Do what the journal says once more."""
        try:
            if entry["do"] in (ASSIGN, RELABEL):
                count = entry["points"]
                if not 0 < count <= len(self.corrections.label):
                    raise ValueError("the file has not so many points")
                rows = unpack_rows(base64.b64decode(entry["rows"]), count)
                if entry["do"] == ASSIGN:
                    self.corrections.assign(rows, self.classes.codes.index(entry["code"]))
                else:
                    now = np.array([self.classes.codes.index(c) for c in entry["codes"]], np.uint8)
                    given = unpack_bytes(base64.b64decode(entry["given"]), count)
                    self.corrections.relabel(rows, now[given])
            elif entry["do"] == UNDO:
                self.corrections.undo()
            elif entry["do"] == REDO:
                self.corrections.redo()
        except (KeyError, IndexError, TypeError, ValueError, zlib.error) as error:
            raise FileError(
                self.file.journal.path, f"edit {number + 1} is none of this file: move it away"
            ) from error

    def _rows(self, asked: Select) -> NDArray[np.int64]:
        if isinstance(asked.shape, PickAsked):
            found = self._hit(asked.shape.camera(), asked.shape.at, asked.scope)
            return self._points.rows[[] if found is None else [found.place]]
        if isinstance(asked.shape, SurfaceAsked):
            return self._surface(asked.shape, asked.scope)
        places = self._points.within([asked.shape.shape(), *asked.scope.shapes()])
        rows = self._points.rows[places]
        return rows[self._shown(asked.scope)(rows)]

    def _surface(self, asked: SurfaceAsked, scope: Scope) -> NDArray[np.int64]:
        found = self._hit(asked.camera(), asked.at, scope)
        if found is None:
            return self._points.rows[[]]
        ball = Balls(found.xyz[None], asked.radius)
        places = self._points.within([ball, *scope.shapes()])
        places = places[self._shown(scope)(self._points.rows[places])]
        seed = int(np.searchsorted(places, found.place))
        chosen = surface(self._points.xyz[places] - found.xyz, seed, asked.radius)
        return self._points.rows[places[chosen]]

    def _hit(self, camera: Camera, at: tuple[float, float], scope: Scope) -> Found | None:
        return self._points.hit(camera, at, scope.shapes(), self._shown(scope))

    def _shown(self, scope: Scope) -> Callable[[NDArray[np.int64]], NDArray[np.bool_]]:
        """Tells which rows have a class that is not hidden."""
        shown = np.ones(256, bool)
        shown[list(scope.hidden)] = False
        return lambda rows: shown[self.corrections.label[rows]]

    def _panel(self, places: NDArray[np.int64]) -> tuple[dict[str, Any], bytes]:
        """A panel of some of the points, as the page knows them."""
        rows = self._points.rows[places]
        values: dict[str, Any] = {
            n: None if a is None else a[rows] for n, a in self._values.items()
        }
        label = np.array(self.classes.codes, np.int32)[self.corrections.label[rows]]
        local = Sample(
            self.file.path.name,
            self.sample.total,
            self._points.xyz[places],
            label=label,
            unit=self.sample.unit,
            **values,
        )
        panel, payload = panel_of(local, self.classes, np.zeros(3))
        low = (np.array(panel["low"]) + self._shift).tolist()
        height = [end + float(self._shift[2]) for end in panel["ends"]["height"]]
        panel |= {
            "low": low,
            "up": self.sample.up,
            "axes": FILE_AXES[self.sample.up],
            "ends": panel["ends"] | {"height": height},
        }
        return panel, payload


def model_classes(metadata: Mapping[str, Any]) -> tuple[dict[int, str], dict[int, Any]]:
    """Names and colours by code of a model's metadata: `classes`, `codes`, `colours`."""
    given = list(map(str, metadata["classes"]))
    names = dict(zip(metadata.get("codes") or range(len(given)), given, strict=False))
    return names, given_colours(metadata.get("colours"), names)
