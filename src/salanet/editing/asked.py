"""What the page asks for, checked."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from salanet.editing.shapes import (
    Balls,
    Below,
    Camera,
    Lasso,
    Shape,
    Slab,
    Stroke,
    View,
)

MOST = 20_000  # corners of a line, centres of balls
Positive = Annotated[FiniteFloat, Field(gt=0)]
Pair = tuple[FiniteFloat, FiniteFloat]
Triple = tuple[FiniteFloat, FiniteFloat, FiniteFloat]
Line = Annotated[list[Pair], Field(min_length=1, max_length=MOST)]


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


class Scope(Asked):
    """What is visible, so that nothing else is touched: classes by index, a cut above, a slice."""

    hidden: Annotated[list[Annotated[int, Field(ge=0, lt=255)]], Field(max_length=255)] = []
    top: FiniteFloat | None = None
    slice: SliceAsked | None = None

    def shapes(self) -> list[Shape]:
        found: list[Shape] = [] if self.top is None else [Below(self.top)]
        if self.slice is not None and self.slice.start != self.slice.stop:
            ends = np.array([self.slice.start, self.slice.stop])
            found.append(Slab(ends[0], ends[1], self.slice.width))
        return found


class LassoAsked(CameraAsked):
    kind: Literal["lasso"]
    line: Line

    def shape(self) -> Shape:
        return Lasso(self.camera(), np.array(self.line))


class StrokeAsked(CameraAsked):
    kind: Literal["stroke"]
    line: Line
    radius: Positive

    def shape(self) -> Shape:
        return Stroke(self.camera(), np.array(self.line), self.radius)


class BallsAsked(Asked):
    kind: Literal["balls"]
    centres: Annotated[list[Triple], Field(min_length=1, max_length=MOST)]
    radius: Positive

    def shape(self) -> Shape:
        return Balls(np.array(self.centres), self.radius)


class PickAsked(CameraAsked):
    kind: Literal["pick"]
    at: Pair


class Request(Asked):
    """`layers` are the sets of points that the page shows, and wants to know the classes of."""

    layers: Annotated[list[int], Field(max_length=4)] = []


class Select(Request):
    shape: Annotated[LassoAsked | StrokeAsked | BallsAsked | PickAsked, Field(discriminator="kind")]
    scope: Scope = Scope()
    how: Literal["replace", "add", "remove"] = "replace"


class Assign(Request):
    index: Annotated[int, Field(ge=0, lt=255)]


class Detail(Request):
    camera: CameraAsked
    scope: Scope = Scope()

    def view(self) -> View:
        return View(self.camera.camera())


class Hit(Asked):
    camera: CameraAsked
    at: Pair
    scope: Scope = Scope()


class Place(Request):
    """The next uncertain place after that of a number."""

    after: Annotated[int, Field(ge=-1)] = -1
