"""From a cloud, or a prepared scene, to a class for every original point."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from salanet._lazy import renamed
from salanet.adapt.alignment import Alignment, AlignmentOptions, as_is, examine, intensity_scale
from salanet.adapt.exactness import inexact
from salanet.adapt.kind import implausible, untold
from salanet.adapt.units import USUAL
from salanet.cloud import PointCloud
from salanet.company import Company
from salanet.engine.confidence import LEVELS, Certainty, confidence, levels
from salanet.engine.confidence import probabilities as shares
from salanet.engine.opening import as_runner, remarks_on
from salanet.engine.runner import Model, Runner, require_scenes
from salanet.engine.votes import Progress, point_logits
from salanet.errors import FileError
from salanet.model_file import Described
from salanet.sampling import features
from salanet.sampling.boxes import TILE_POINTS
from salanet.sampling.cells import cell_features, to_cells
from salanet.sampling.islands import settled
from salanet.sampling.noise import NO_CLASS, company_of, left_out, require_some, spread
from salanet.sampling.scatter import UNKNOWN, Quality
from salanet.sampling.summary import summarise
from salanet.scenes import Scene
from salanet.terminal import visible

if TYPE_CHECKING:
    from salanet.sampling.partition import Superpoints


@dataclass(frozen=True)
class Segmentation:
    """What `segment` found, in the order of the cloud's points.

    Attributes:
        labels: int64 (N,), index into the model's classes; -1 for points that are left out:
            strays, and those that the file flags as noise.
        probabilities: float32 (N, classes), or None if not asked for; those of points left out
            are all alike.
        cells: how many points the network saw.
        remarks: what was decided about the cloud, and what is doubtful, one line each.
        certainty: how sure the model is of the labels; None where no point has one.
        confidence: float32 (N,), the largest probability of each point, 0 for those left out.
        plain: int64 (N,), the labels before islands were put right; None if they were not.
        quality: of the ground, as far as it was looked for.
    """

    labels: NDArray[np.int64]
    probabilities: NDArray[np.float32] | None
    cells: int
    remarks: tuple[str, ...] = ()
    certainty: Certainty | None = None
    confidence: NDArray[np.float32] | None = None
    plain: NDArray[np.int64] | None = None
    quality: Quality = UNKNOWN

    def first(self, count: int) -> Segmentation:
        """What was found for the first points alone, such as the vertices of a mesh."""
        given = None if self.probabilities is None else self.probabilities[:count]
        sure = None if self.confidence is None else self.confidence[:count]
        plain = None if self.plain is None else self.plain[:count]
        return replace(
            self, labels=self.labels[:count], probabilities=given, confidence=sure, plain=plain
        )


class Input(NamedTuple):
    """What the network sees of a cloud, and the cell of each original point, -1 if left out.

    The parts of its points are None where the network does not look at any, or finds them itself.
    The quality is that of the ground, as far as it was looked for.
    """

    points: NDArray[np.float32]
    features: NDArray[np.float32]
    cell_of_point: NDArray[np.integer] | None
    superpoints: Superpoints | None = None
    quality: Quality = UNKNOWN


@renamed("fit", "alignment")
def segment(
    model: Model,
    cloud: PointCloud,
    *,
    probabilities: bool = False,
    votes: int = 1,
    tile_points: int = TILE_POINTS,
    progress: Progress | None = None,
    where: str = "point cloud",
    alignment: Alignment | AlignmentOptions | Literal["auto"] | None = "auto",
    company: Company | None = None,
    regularise: bool = False,
) -> Segmentation:
    """Give every point of a cloud one of the model's classes.

    The cloud is reduced to one point per cell of the model's grid, the network labels those, and
    each original point takes the result of its cell.

    Args:
        model: of scenes: a file, the name of one that comes with the package, or a runner of one
            that is open (`salanet.open_model`), which many clouds share.
        cloud: N >= 1 points, and the attributes the model's features need.
        probabilities: also return those of the classes (`salanet.engine.confidence`).
        votes, tile_points, progress: see `salanet.engine.point_logits`.
        where: what errors call the cloud, such as its file.
        alignment: how the cloud becomes what the model expects: "auto" finds out, as `salanet
            predict` does, and warns of what changes the result or is doubtful; `AlignmentOptions`
            say what is known already; an `Alignment` is taken silently
            (`salanet.adapt.alignment.examine`); None takes the cloud as it is, in metres and with
            z up (`as_is`).
        company: where the cloud's points have company, if that is known.
        regularise: put islands of labels right by what is around them, as far as the model is not
            sure of them (`salanet.sampling.islands`); confidence and probabilities are the
            model's own.

    Raises:
        DataError: the cloud is empty, has no finite coordinates, or lacks an attribute.
        ConfigError: the model is not for scenes.
    """
    model = as_runner(model)
    require_scenes(model.config)  # an error about the model comes before any about the cloud
    asked = AlignmentOptions() if alignment == "auto" else alignment
    examined = isinstance(asked, AlignmentOptions)
    found: Alignment | None
    if isinstance(asked, AlignmentOptions):
        summary = summarise(cloud)
        company, found = summary.company, examine(model, summary, asked, where)
    else:
        found = asked
    seen = cloud_input(model, cloud, where, found, company)
    logits = point_logits(
        model,
        seen.points,
        seen.features,
        votes=votes,
        tile_points=tile_points,
        progress=progress,
    )
    classes = logits.argmax(axis=1)
    labels = of_points(classes, seen.cell_of_point, NO_CLASS)
    plain = labels if regularise else None
    if regularise:
        used = found or as_is(model, cloud.arrays())
        cell, said = used.grid * used.zoom, shares(model, logits)
        classes = settled(seen.points, classes, cell, probabilities=said)
        labels = of_points(classes, seen.cell_of_point, NO_CLASS)
    sure = of_points(confidence(model, logits), seen.cell_of_point, 0)
    known = np.bincount(levels(sure[labels >= 0]), minlength=LEVELS + 1)
    certainty = Certainty.of(model, known)
    remarks: list[str] = []
    if examined and found is not None:
        counts = np.bincount(labels[labels >= 0], minlength=len(model.config.classes))
        doubts = certainty.remarks() if certainty else []
        doubts += [*implausible(model, counts.tolist()), *inexact(model, seen.quality)]
        remarks = [*found.remarks, *doubts]
        for remark in remarks:
            if not remark.endswith(USUAL):
                warnings.warn(visible(f"{where}: {remark}"), stacklevel=3)
        remarks += [*untold(model), *remarks_on(model)]  # the same for every cloud
    return Segmentation(
        labels=labels,
        probabilities=(
            of_points(shares(model, logits), seen.cell_of_point, 1 / logits.shape[1])
            if probabilities
            else None
        ),
        cells=len(logits),
        remarks=tuple(remarks),
        certainty=certainty,
        confidence=sure,
        plain=plain,
        quality=seen.quality,
    )


def of_points(
    values: NDArray[Any], cell_of_point: NDArray[np.integer] | None, none: float
) -> NDArray[Any]:
    """The value of each point, from those of the cells; `none` for points without a cell."""
    if cell_of_point is None:
        return values
    found: NDArray[Any] = values[cell_of_point]
    found[cell_of_point < 0] = none
    return found


def cloud_input(
    model: Described,
    cloud: PointCloud,
    where: str,
    alignment: Alignment | None = None,
    company: Company | None = None,
) -> Input:
    """The cells of a cloud and their features, as the model was trained on them.

    Points without company for far and wide or without finite coordinates are left out, and those
    that the file flags as noise.
    """
    names = require_scenes(model.config)
    # Black is a colour to an alignment, which has looked at it, and to models that need none.
    black = alignment is not None or "rgb" in model.card.optional
    alignment = alignment or as_is(model, cloud.arrays())
    keep = features.required(names)
    cloud.finite(where)
    out = left_out(cloud, company or company_of(cloud), alignment.noise)
    require_some(int(out.sum()), len(out), where)
    seen = alignment.cloud(cloud.rows(~out) if out.any() else cloud)
    cells = to_cells(seen, alignment.grid, keep=keep, black=black, where=where)
    computed = cell_features(cells, names, alignment.intensity_scale, alignment.grid, where)
    points = cells.coord * np.float32(alignment.zoom)
    at = spread(cells.of_point, out, NO_CLASS)
    return Input(points, computed, at, quality=cells.quality)


def scene_input(model: Described, scene: Scene) -> Input:
    """The points of a prepared scene and their features.

    Raises:
        FileError: the scene's grid is not the model's.
    """
    require_grid(model, scene)
    names = require_scenes(model.config)
    arrays: dict[str, Any] = features.gather(scene)
    computed = features.compute(
        names,
        intensity_scale=intensity_scale(model, arrays.get("intensity")),
        cell_size=scene.grid,
        where=str(scene.folder),
        **arrays,
    )
    points = np.array(arrays["xyz"], dtype=np.float32)
    partition = model.partition if isinstance(model, Runner) else None
    parts = None
    if partition is not None:
        from salanet.sampling.scene_partition import scene_partition  # takes SciPy

        parts = scene_partition(scene, partition)
    return Input(points, computed, scene.raw.get("to_cell"), parts)


def require_grid(model: Described, scene: Scene) -> None:
    """Raise FileError unless the scene was prepared on the model's grid."""
    if scene.grid is not None and abs(scene.grid - model.config.grid) > 1e-6 * scene.grid:
        raise FileError(
            scene.folder,
            f"was prepared with cells of {scene.grid}, but the model works on {model.config.grid}; "
            f"prepare it with cells of {model.config.grid}",
        )
