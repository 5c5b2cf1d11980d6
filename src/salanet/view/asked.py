"""What a page asks the server for, checked: a camera, and what is visible."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from salanet.view.shapes import Below, Box, Camera, Shape, Slab, View

Positive = Annotated[FiniteFloat, Field(gt=0)]
Pair = tuple[FiniteFloat, FiniteFloat]
Triple = tuple[FiniteFloat, FiniteFloat, FiniteFloat]


class Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CameraAsked(Asked):
    """`matrix` column by column, as WebGL has it; `size` in pixels."""

    matrix: Annotated[list[FiniteFloat], Field(min_length=16, max_length=16)]
    size: tuple[Positive, Positive]

    def camera(self) -> Camera:
        return Camera(np.array(self.matrix).reshape(4, 4).T, *self.size)


class SliceAsked(Asked):
    start: Pair
    stop: Pair
    width: Positive


class BoxAsked(Asked):
    low: Triple
    high: Triple


class Scope(Asked):
    """What is visible: all but classes by index, below a cut, in a slice, in a box."""

    hidden: Annotated[list[Annotated[int, Field(ge=0, lt=255)]], Field(max_length=255)] = []
    top: FiniteFloat | None = None
    slice: SliceAsked | None = None
    box: BoxAsked | None = None

    def shapes(self) -> list[Shape]:
        found: list[Shape] = [] if self.top is None else [Below(self.top)]
        if self.slice is not None and self.slice.start != self.slice.stop:
            ends = np.array([self.slice.start, self.slice.stop])
            found.append(Slab(ends[0], ends[1], self.slice.width))
        if self.box is not None:
            found.append(Box(np.array(self.box.low), np.array(self.box.high)))
        return found


class Detail(Asked):
    """Points of what a camera shows, of the panel of a number."""

    camera: CameraAsked
    scope: Scope = Scope()
    panel: Annotated[int, Field(ge=0)] = 0

    def view(self) -> View:
        return View(self.camera.camera())
