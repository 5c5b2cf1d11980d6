"""What the page to edit asks for beside what is seen, checked."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from salanet.view.asked import Asked, CameraAsked, Pair, Positive, Scope, Triple
from salanet.view.shapes import Balls, Lasso, Shape, Stroke

MOST = 20_000  # corners of a line, centres of balls
Line = Annotated[list[Pair], Field(min_length=1, max_length=MOST)]


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


class SurfaceAsked(CameraAsked):
    """The surface that a point lies on, as far as `radius` from it."""

    kind: Literal["surface"]
    at: Pair
    radius: Positive


class Request(Asked):
    """`layers` are the sets of points that the page shows, and wants to know the classes of."""

    layers: Annotated[list[int], Field(max_length=4, default_factory=list)]


class Select(Request):
    shape: Annotated[
        LassoAsked | StrokeAsked | BallsAsked | PickAsked | SurfaceAsked,
        Field(discriminator="kind"),
    ]
    scope: Scope = Scope()
    how: Literal["replace", "add", "remove"] = "replace"


class Assign(Request):
    index: Annotated[int, Field(ge=0, lt=255)]


class Hit(Asked):
    camera: CameraAsked
    at: Pair
    scope: Scope = Scope()


class Place(Request):
    """The next uncertain place after that of a number."""

    after: Annotated[int, Field(ge=-1)] = -1
