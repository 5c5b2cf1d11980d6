"""A model that stays open: clouds or arrays in, classes out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from salanet import geometry
from salanet._lazy import renamed
from salanet.adapt.alignment import Alignment, AlignmentOptions, examine, lacking
from salanet.cloud import PointCloud
from salanet.engine.arrays import Frame, as_frame, matrix, require_resolution
from salanet.engine.opening import as_runner, open_runner
from salanet.engine.runner import Precision, Runner, require_scenes
from salanet.engine.segmentation import Segmentation, segment
from salanet.engine.votes import finite
from salanet.errors import ConfigError, DataError
from salanet.sampling import features
from salanet.sampling.boxes import TILE_POINTS
from salanet.sampling.noise import company_of
from salanet.sampling.summary import summarise

WHERE = "point cloud"  # what errors call it


class Segmenter:
    """A scene model, for clouds in memory.

    The cloud takes the path of `salanet predict` (units and axes, missing arrays, cells, features,
    pyramid, tiles), so the labels are the same. What runs the model is what
    `salanet.engine.open_runner` chooses. One may be used by several Python threads.

    Frames of one sensor share an alignment from `examine`, `predict(frame, alignment=alignment)`:
    without it each frame is examined anew, which takes most of the time of a small one (with it two
    to five times as many a second).

    Args:
        model: the model file, `.safetensors` or `.onnx`; or the name of a model that comes with
            the package; or a runner that is open.
        threads: of the kernels and of ONNX Runtime; None for as many as
            `salanet.geometry.threads`. NumPy's matrix products have threads of their own
            (OMP_NUM_THREADS, before NumPy is imported).
        device: auto, cpu, or what PyTorch calls a device.
        precision: float32, or bf16 where the processor has it (`salanet.engine.open_runner`).

    Attributes:
        classes: class names, in the order of the labels.
        codes: the code of each class in the training files; 0, 1, … where the model has none.
        config: the network's architecture.
        card: what else the model file told.

    Raises:
        MissingExtraError: onnxruntime or PyTorch is needed and not installed.
        FileError: the file is absent, damaged or not one of ours.
        ConfigError: the model labels object parts, not scenes; or there is none of that name; or a
            number of threads below 1; or a precision that the model is not run in.
    """

    def __init__(
        self,
        model: str | Path | Runner,
        *,
        threads: int | None = None,
        device: str = "auto",
        precision: Precision = "float32",
    ) -> None:
        if threads is not None and (not isinstance(threads, int) or threads < 1):
            raise ConfigError(f"threads must be a whole number above 0, not {threads}")
        self._threads = threads
        self._runner = (
            open_runner(model, device, threads, precision=precision)
            if isinstance(model, (str, Path))
            else as_runner(model, device, precision)
        )
        self.config, self.card = self._runner.config, self._runner.card
        self._needed = features.required(require_scenes(self.config))
        self.classes: list[str] = list(self.config.classes)
        codes = self.card.codes
        known = codes is not None and len(codes) == len(self.classes)
        self.codes: list[int] = codes if codes and known else list(range(len(self.classes)))

    @renamed("fit", "alignment")
    def predict(
        self,
        xyz: PointCloud | ArrayLike,
        *,
        rgb: ArrayLike | None = None,
        intensity: ArrayLike | None = None,
        units: str = "auto",
        up: str = "auto",
        alignment: Alignment | None = None,
        tile_points: int = TILE_POINTS,
        **attributes: ArrayLike | None,
    ) -> NDArray[np.int64]:
        """The class of every point.

        Args:
            xyz: a cloud, as `salanet.read` gives it; or coordinates (N, 3), or (H, W, 3) of an
                organised frame. Absolute ones are fine, as float64.
            rgb: uint8 (N, 3) or (H, W, 3).
            intensity: (N,) or (H, W), as the source stores it.
            units, up, alignment: see `examine`; an alignment decides all of it.
            tile_points: most cells of one pass; bounds the memory.
            attributes: return_number and number_of_returns; what the model has no use for is left
                alone.

        Returns:
            int64 (N,) or (H, W), rows of `classes`; -1 for points that belong to none: without
            finite coordinates, as where a sensor saw nothing; strays far from all others; and those
            that a cloud flags as noise (see `examine`).

        Raises:
            DataError: the cloud is empty, has no finite coordinates, or ones too coarse for their
                type, arrays of a wrong shape or type, or lacks one that the model cannot do
                without; or its file is in degrees.
            ConfigError: no such units, axis or array, or arrays beside a cloud.
        """
        arrays = {"rgb": rgb, "intensity": intensity, **attributes}
        asked = alignment or AlignmentOptions(units=units, up=up)
        return self._segment(xyz, arrays, asked, tile_points=tile_points).labels

    @renamed("fit", "alignment")
    def segment(
        self,
        xyz: PointCloud | ArrayLike,
        *,
        probabilities: bool = False,
        rgb: ArrayLike | None = None,
        intensity: ArrayLike | None = None,
        units: str = "auto",
        up: str = "auto",
        alignment: Alignment | None = None,
        votes: int = 1,
        tile_points: int = TILE_POINTS,
        **attributes: ArrayLike | None,
    ) -> Segmentation:
        """The class of every point, how sure the model is, and what was decided about the cloud.

        Args:
            probabilities: also those of the classes, float32 (N, C) or (H, W, C), honest where the
                model is calibrated (`salanet.engine.confidence`).
            votes: passes, the first as the points are, the others turned and scaled.
            xyz, rgb, intensity, units, up, alignment, tile_points, attributes: see `predict`.

        Raises:
            DataError, ConfigError: as `predict`.
        """
        arrays = {"rgb": rgb, "intensity": intensity, **attributes}
        how: dict[str, Any] = {"probabilities": probabilities, "votes": votes}
        asked = alignment or AlignmentOptions(units=units, up=up)
        return self._segment(xyz, arrays, asked, tile_points=tile_points, **how)

    def examine(
        self,
        xyz: PointCloud | ArrayLike,
        *,
        rgb: ArrayLike | None = None,
        intensity: ArrayLike | None = None,
        units: str = "auto",
        up: str = "auto",
        grid: float | str | None = None,
        noise: bool = False,
        **attributes: ArrayLike | None,
    ) -> Alignment:
        """How a cloud becomes what the model expects, decided as `salanet predict` does.

        Its `remarks` say in words what was decided and what is doubtful. Clouds of one sensor
        share an alignment: `predict(cloud, alignment=alignment)`.

        Args:
            xyz, rgb, intensity, attributes: as for `predict`.
            units: m, ft, us-ft, mm or cm; auto: what the file's reference system says, else found
                out.
            up: z or y; auto: z, unless the cloud plainly lies on its side.
            grid: size in metres of the cells to work with; None for the model's, auto for larger
                ones where the points are much sparser than in training.
            noise: label points too that the cloud flags as noise or withheld.

        Raises:
            DataError, ConfigError: as `predict`.
        """
        frame = self._frame(xyz, {"rgb": rgb, "intensity": intensity, **attributes})
        asked = AlignmentOptions(units=units, up=up, grid=grid, noise=noise)
        return examine(self._runner, summarise(frame.cloud), asked, WHERE)

    def logits(self, points: ArrayLike, features: ArrayLike) -> NDArray[np.float32]:
        """Logits (N, classes) of points (N, 3), one per cell of the grid, and features (N, C).

        Raises:
            DataError: another shape or type, no points, NaN or infinite values.
        """
        points = matrix(points, "points", None, 3)
        seen = matrix(features, "features", len(points), self.config.in_channels)
        with geometry.use_threads(self._threads):
            return finite(self._runner.logits(seen, self._runner.levels(points)))

    def _segment(
        self,
        xyz: PointCloud | ArrayLike,
        arrays: dict[str, ArrayLike | None],
        asked: Alignment | AlignmentOptions,
        **how: Any,
    ) -> Segmentation:
        if how["tile_points"] < 1:
            raise ConfigError(f"tile_points must be at least 1, not {how['tile_points']}")
        frame = self._frame(xyz, arrays)
        with geometry.use_threads(self._threads):
            if isinstance(asked, AlignmentOptions):
                seen = summarise(frame.cloud)
                company = seen.company or company_of(frame.cloud)
                alignment = examine(self._runner, seen, asked, WHERE)
            else:
                company, alignment = company_of(frame.cloud), asked
            require_resolution(xyz, company.bounds, alignment.grid / max(alignment.scale))
            found = segment(
                self._runner, frame.cloud, where=WHERE, alignment=alignment, company=company, **how
            )
        return frame.shaped(found, alignment.remarks)

    def _frame(self, xyz: PointCloud | ArrayLike, arrays: dict[str, Any]) -> Frame:
        frame = as_frame(xyz, arrays, self._needed)
        frame.cloud.finite(WHERE)
        if not isinstance(xyz, PointCloud):
            for name in lacking(self._runner, frame.cloud.arrays()):
                if name not in self.card.optional:
                    raise DataError(
                        f"the model needs '{name}', and cannot do without: give {name}=…, one for "
                        "each point, or a whole cloud that has it"
                    )
        return frame
