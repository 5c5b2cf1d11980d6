"""Random changes of a training sample, drawn from a NumPy generator.

In the order of the paper's protocol: rotation about z, anisotropic scale with a random x mirror,
then clipped Gaussian jitter of each point.

Scaling z changes the geometry but not the height *features*: `height` and `height_above_ground`
stay those of the real scene, because a shrub does not become medium vegetation when stretched.
For classes that are defined by height, keep `scale_z` near 1 so that shape and feature agree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

if TYPE_CHECKING:  # recipes, and the help of commands that take them, do without NumPy
    import numpy as np
    from numpy.typing import NDArray

Range = tuple[float, float]


class Augmentation(BaseModel):
    """Ranges of the random changes; the defaults are those of S3DIS in the paper.

    Attributes:
        rotation: largest angle about z either way, in degrees.
        scale: range of the factors of x and y, drawn per axis.
        scale_z: range of the factor of z; None = as `scale`.
        tilt: largest slope that the whole sample is given, in degrees.
        mirror_x: probability of mirroring x.
        jitter: standard deviation of the noise of each coordinate, in the data's units.
        jitter_clip: largest noise.
        colour_drop: probability that all colours of the sample become 0.
        intensity_jitter: the sample's intensities are multiplied by a factor 1 ± this.
        intensity_gamma: intensities, 1 at the scale, are raised to a power between 1 / (1 + this)
            and 1 + this.
        intensity_drop: probability that all intensities of the sample become 0.
        returns_drop: probability that every point of the sample becomes an only return.
        terrain_error: probability that the heights of the sample are those above a wrong terrain,
            off by a plane of up to 5 m and a slope of up to 1/2: what found it may have failed.
            That is on terrain of a slope of 0.3 or more; on level ground it does not fail so.
        noise: largest standard deviation, in metres, of noise in what was measured: coordinates,
            and heights with them. Half of the samples stay exact; the others draw their own,
            seldom a large one, and half of these get two flight lines instead, one higher than the
            other by up to twice as much.
        point_drop: largest share of the sample's points left out, for scans of other density.
        lines: probability that what is left is lines of points, where cells are drawn.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    rotation: float = Field(default=180, ge=0, le=180)
    scale: Range = (0.7, 1.3)
    scale_z: Range | None = None
    tilt: float = Field(default=0.0, ge=0, lt=45)
    mirror_x: float = Field(default=0.5, ge=0, le=1)
    jitter: float = Field(default=0.001, ge=0)
    jitter_clip: float = Field(default=0.05, ge=0)
    colour_drop: float = Field(default=0.2, ge=0, le=1)
    intensity_jitter: float = Field(default=0.0, ge=0, lt=1)
    intensity_gamma: float = Field(default=0.0, ge=0)
    intensity_drop: float = Field(default=0.0, ge=0, le=1)
    returns_drop: float = Field(default=0.0, ge=0, le=1)
    terrain_error: float = Field(default=0.0, ge=0, le=1)
    noise: float = Field(default=0.0, ge=0)
    point_drop: float = Field(default=0.0, ge=0, lt=1)
    lines: float = Field(default=0.0, ge=0, le=1)

    @model_validator(mode="after")
    def _ordered(self) -> Augmentation:
        for name, value in (("scale", self.scale), ("scale_z", self.scale_z or self.scale)):
            if not 0 < value[0] <= value[1]:
                raise ValueError(f"{name} must be two positive factors in order, not {value}")
        return self

    def points(self, xyz: NDArray[np.floating], rng: np.random.Generator) -> NDArray[np.float32]:
        """Rotated, scaled, mirrored, jittered copy (N, 3) float32; rotates about the origin."""
        import numpy as np

        matrix = self.matrix(rng)
        noise = rng.standard_normal(xyz.shape, np.float32) * np.float32(self.jitter)
        np.clip(noise, -self.jitter_clip, self.jitter_clip, out=noise)
        noise += xyz @ matrix.T.astype(xyz.dtype)
        return noise

    def measured(
        self, arrays: dict[str, NDArray[Any]], rng: np.random.Generator
    ) -> dict[str, NDArray[Any]]:
        """A copy of the dictionary as a less exact sensor had measured it; "xyz" in metres."""
        import numpy as np

        if not self.noise or rng.random() < 0.5:
            return arrays
        size, count = self.noise * rng.random() ** 2, len(arrays["xyz"])
        if rng.random() < 0.5:
            upper = rng.random(count) < rng.random()
            moved = np.zeros((count, 3), np.float32)
            moved[:, 2] = 2 * size * (upper - upper.mean())  # the terrain lies between the two,
            ground, lowest = 0.0, 2 * size * upper.mean()  # the lowest points on the lower one
        else:
            moved = np.float32(size) * rng.standard_normal((count, 3), np.float32)
            ground, lowest = 2 * max(size - EXACT, 0.0), 2.5 * size
        under = {"height": 0.0, "z": 0.0}
        under |= {"height_above_ground": ground, "height_above_lowest": lowest}
        above = {
            n: arrays[n] + moved[:, 2] + np.float32(by) for n, by in under.items() if n in arrays
        }
        return arrays | above | {"xyz": arrays["xyz"] + moved}

    def kept(self, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Rows of the points that stay, in order; at least one of any."""
        import numpy as np

        share = rng.uniform(0, self.point_drop)
        rows = np.flatnonzero(rng.random(count) >= share)
        return rows if len(rows) else np.arange(min(count, 1))

    def matrix(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """A random (3, 3) rotation about z, then scale and mirror: columns are images of axes."""
        import numpy as np

        angle = np.deg2rad(rng.uniform(-self.rotation, self.rotation))
        cos, sin = np.cos(angle), np.sin(angle)
        rotation = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
        factors = np.array(
            [
                rng.uniform(*self.scale),
                rng.uniform(*self.scale),
                rng.uniform(*(self.scale_z or self.scale)),
            ]
        )
        if rng.random() < self.mirror_x:
            factors[0] = -factors[0]
        return self._tilted(factors[:, None] * rotation, rng)

    def _tilted(self, matrix: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
        """Then leaning to one side: z rises with x and y as on a slope."""
        import numpy as np

        if not self.tilt:
            return matrix
        slope = np.tan(np.deg2rad(rng.uniform(0, self.tilt)))
        towards = rng.uniform(0, 2 * np.pi)
        lean = np.eye(3)
        lean[2, :2] = slope * np.cos(towards), slope * np.sin(towards)
        return lean @ matrix

    def attributes(
        self,
        arrays: dict[str, NDArray[Any]],
        rng: np.random.Generator,
        intensity_scale: float = 1.0,
    ) -> dict[str, NDArray[Any]]:
        """A copy of the dictionary with intensities rescaled and some arrays possibly dropped."""
        import numpy as np

        from salanet.sampling.features import NEUTRAL

        changed = dict(arrays)
        dropped = {"rgb": rng.random() < self.colour_drop}
        factor = 1 + self.intensity_jitter * rng.uniform(-1, 1)
        dropped["intensity"] = rng.random() < self.intensity_drop
        dropped["return_number"] = dropped["number_of_returns"] = rng.random() < self.returns_drop
        if self.intensity_jitter and "intensity" in changed:
            changed["intensity"] = changed["intensity"] * np.float32(factor)
        if self.intensity_gamma and "intensity" in changed:
            power = (1 + self.intensity_gamma) ** rng.uniform(-1, 1)
            relative = np.maximum(changed["intensity"] / np.float32(intensity_scale), 0)
            changed["intensity"] = relative ** np.float32(power) * np.float32(intensity_scale)
        for name in changed:
            if dropped.get(name):
                changed[name] = np.full_like(changed[name], NEUTRAL[name])
        return changed

    def terrain(
        self, arrays: dict[str, NDArray[Any]], zoom: float, rng: np.random.Generator
    ) -> dict[str, NDArray[Any]]:
        """A copy of the dictionary, where heights above the ground may be wrong.

        "xyz" (N, 3) are about the sample's centre, `zoom` times as large as in metres.
        """
        import numpy as np

        if not self.terrain_error:
            return arrays
        steep = float(np.median(arrays["terrain_slope"])) if "terrain_slope" in arrays else STEEP
        if rng.random() >= self.terrain_error * np.clip((steep - LEVEL) / (STEEP - LEVEL), 0, 1):
            return arrays
        towards, slope, error = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.5), rng.uniform(-5, 5)
        along = arrays["xyz"][:, :2] @ np.array([np.cos(towards), np.sin(towards)]) / zoom
        wrong = (slope * along + error).astype(np.float32)
        above = {n: arrays[n] + wrong for n in ("height_above_ground",) if n in arrays}
        return arrays | above

    def optional(self) -> list[str]:
        """Arrays that training leaves out at times, so that the model works without them."""
        drops = {"rgb": self.colour_drop, "intensity": self.intensity_drop}
        drops |= dict.fromkeys(("return_number", "number_of_returns"), self.returns_drop)
        return [name for name, probability in drops.items() if probability]


EXACT = 0.1  # metres of noise from which on the terrain, found from the lowest points, is too low
STEEP = 0.3  # rise per metre of terrain that is found wrongly as often as it is said,
LEVEL = 0.05  # and that is hardly ever found wrongly

NONE = Augmentation(rotation=0, scale=(1, 1), mirror_x=0, jitter=0, colour_drop=0)
