"""All points behind a page that shows some of them: those of a view, when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salanet.errors import DataError
from salanet.labelling.memory import machine_memory
from salanet.view.asked import Detail
from salanet.view.colours import Classes
from salanet.view.page import Page, class_entries, panel_of
from salanet.view.points import Points
from salanet.view.sample import Sample, picked

MOST = 1_000_000  # points of a view
POINT_BYTES = 200  # of a point in memory, at the most
Load = Callable[[], Sequence[Sample]]


def fits(samples: Sequence[Sample]) -> bool:
    """Whether all points that these are samples of surely fit half of the machine's memory."""
    there = machine_memory()
    return there is None or 2 * POINT_BYTES * sum(one.total for one in samples) <= there


class Whole:
    """All points of what a page shows.

    Args:
        page: shows some of them.
        samples: these.
        load: gives samples with all points; it is called when they are first asked for.
    """

    def __init__(self, page: Page, samples: Sequence[Sample], load: Load) -> None:
        self._page, self._some, self._load = page, samples, load
        self._classes, self._lock = page.classes, Lock()
        self._all: list[tuple[Sample, Points, NDArray[np.float64]]] = []

    def detail(self, asked: Detail) -> tuple[dict[str, Any], bytes]:
        """A view's points as a panel, all that are visible if these are not too many.

        Returns:
            What the page is told, and the points; its panel is None if the view has none.

        Raises DataError if there is no such panel, or the files are not what they were.
        """
        with self._lock:
            self._all = self._all or self._loaded()
        if asked.panel >= len(self._all):
            raise DataError(f"there is no panel {asked.panel}")
        sample, points, shift = self._all[asked.panel]
        shapes = [asked.view(), *asked.scope.shapes()]
        if asked.scope.hidden and sample.label is not None:
            places = points.within(shapes)
            index = self._classes.index(sample.label[points.rows[places]])
            places = places[~np.isin(index, asked.scope.hidden)]
            places, whole = places[picked(len(places), MOST)], len(places) <= MOST
        else:
            places, whole = points.some(shapes, MOST)
        said: dict[str, Any] = {"classes": class_entries(self._classes), "panel": None}
        if not len(places):
            return said, b""
        like = self._page.head["panels"][asked.panel]
        some = sample.rows(points.rows[places])
        panel, payload = panel_of(some, self._classes, shift, like)
        return said | {"panel": panel | {"whole": whole}}, payload

    def _loaded(self) -> list[tuple[Sample, Points, NDArray[np.float64]]]:
        found = []
        for panel, some, full in zip(
            self._page.head["panels"], self._some, self._load(), strict=True
        ):
            if full.total != some.total or {*some.further} - {*full.further}:
                raise DataError(f"{some.name} has changed: start again")
            further = {name: full.further[name] for name in some.further}
            sample = replace(full, name=some.name, up=some.up, unit=some.unit, further=further)
            self._classes = self._classes.more(Classes.of_samples([sample]))
            shift = np.subtract(panel["low"], panel["base"])
            points = Points(sample.drawn - shift, np.arange(len(sample)))
            found.append((sample, points, shift))
        return found
