"""A scene model without PyTorch: clouds in, classes out."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from salanet import geometry
from salanet.cloud import PointCloud
from salanet.edge.arrays import as_cloud, matrix, require_resolution
from salanet.edge.files import find, load
from salanet.errors import ConfigError, DataError, FileError
from salanet.inference import fit as fitting
from salanet.inference.fit import Fit, FitOptions
from salanet.sampling import features
from salanet.sampling.boxes import HALO_RADII, TILE_POINTS, tiles
from salanet.sampling.cells import cell_features, to_cells
from salanet.sampling.noise import NO_CLASS, company_of, left_out, require_some, spread
from salanet.sampling.survey import survey

WHERE = "point cloud"  # what errors call it


class Segmenter:
    """A scene model from a `.safetensors` file, or from one that `salanet export` wrote.

    A `.safetensors` file with the operator SALA runs by the fused kernels and NumPy; an `.onnx`
    file, of any operator, by ONNX Runtime, in several times the time and memory. Either way the
    cloud takes the path of `salanet predict` (units and axes, missing arrays, cells, features,
    pyramid, tiles), so the labels are the same. One may be used by several Python threads.

    Args:
        model: the model file; or the name of a model that comes with the package.
        threads: of the kernels and of ONNX Runtime; None for as many as
            `salanet.geometry.threads`. NumPy's matrix products have threads of their own
            (OMP_NUM_THREADS, before NumPy is imported).

    Attributes:
        classes: class names, in the order of the labels.
        codes: the code of each class in the training files; 0, 1, … where the model has none.
        config: the network's architecture, as `ModelConfig` dumps it.
        metadata: what else the model file told.

    Raises:
        MissingExtraError: onnxruntime is not installed.
        FileError: the file is absent, damaged or not one of ours.
        ConfigError: the model labels object parts, not scenes; or it is no SALA and no ONNX file;
            or there is none of that name; or a number of threads below 1.
    """

    def __init__(self, model: str | Path, *, threads: int | None = None) -> None:
        if threads is not None and (not isinstance(threads, int) or threads < 1):
            raise ConfigError(f"threads must be a whole number above 0, not {threads}")
        path = find(model)
        self._threads = threads
        self.config, self.metadata, self._run = load(path, threads or geometry.threads())
        try:
            self.classes: list[str] = list(self.config["classes"])
            self._names = features.normalise_names(self.config["features"])
            self._grid = float(self.config["grid"])
            self._radius = float(self.config["radius_cells"]) * self._grid
            if not (1e-6 <= self._grid <= 1e6 and 1e-2 <= self._radius / self._grid <= 1e2):
                raise ValueError("cells and radii of such sizes are none of a point cloud")
            count = len(self.classes)
            codes = self.metadata.get("codes")
        except (ValueError, KeyError, TypeError, ConfigError) as error:
            raise FileError(path, f"its metadata is damaged ({error})") from error
        self.codes: list[int] = list(range(count))
        if isinstance(codes, list) and len(codes) == count:
            self.codes = codes
        self._try(path)

    def predict(
        self,
        xyz: PointCloud | ArrayLike,
        *,
        rgb: ArrayLike | None = None,
        intensity: ArrayLike | None = None,
        units: str = "auto",
        up: str = "auto",
        fit: Fit | None = None,
        tile_points: int = TILE_POINTS,
        **attributes: ArrayLike | None,
    ) -> NDArray[np.int64]:
        """The class of every point.

        Args:
            xyz: a cloud, as `salanet.read` gives it; or coordinates (N, 3). Absolute ones
                are fine, as float64.
            rgb: uint8 (N, 3).
            intensity: (N,), as the source stores it.
            units, up, fit: see `examine`; a fit decides all of it.
            tile_points: most cells of one pass; bounds the memory.
            attributes: further arrays of N rows, such as return_number and number_of_returns;
                those that the model has no use for are left alone.

        Returns:
            int64 (N,), rows of `classes`; -1 for points that belong to none: without finite
            coordinates, as where a sensor saw nothing; strays far from all others; and those that
            a cloud flags as noise (see `examine`).

        Raises:
            DataError: the cloud is empty, has no finite coordinates, or ones too coarse for their
                type, arrays of a wrong shape or type, or lacks one that the model cannot do
                without; or its file is in degrees.
            ConfigError: no such units or axis, or arrays beside a cloud.
        """
        if tile_points < 1:
            raise ConfigError(f"tile_points must be at least 1, not {tile_points}")
        cloud = self._cloud(xyz, {"rgb": rgb, "intensity": intensity, **attributes})
        with geometry.use_threads(self._threads):
            if fit is None:
                seen = survey(cloud)
                company = seen.company or company_of(cloud)
                asked = FitOptions(units=units, up=up)
                fit = fitting.examine(self._described(), seen, asked, WHERE)
            else:
                company = company_of(cloud)
            out = left_out(cloud, company, fit.noise)
            require_some(int(out.sum()), len(out), WHERE)
            require_resolution(xyz, company.bounds, fit.grid / max(fit.scale))
            found = self._label(cloud.rows(~out) if out.any() else cloud, fit, tile_points)
            return spread(found, out, NO_CLASS)

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
    ) -> Fit:
        """How a cloud becomes what the model expects, decided as `salanet predict` does.

        Its `remarks` say in words what was decided and what is doubtful. Clouds of one sensor
        share a fit: `predict(cloud, fit=fit)`.

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
        cloud = self._cloud(xyz, {"rgb": rgb, "intensity": intensity, **attributes})
        asked = FitOptions(units=units, up=up, grid=grid, noise=noise)
        return fitting.examine(self._described(), survey(cloud), asked, WHERE)

    def logits(self, points: ArrayLike, features: ArrayLike) -> NDArray[np.float32]:
        """Logits (N, classes) of points (N, 3), one per cell of the grid, and features (N, C).

        Raises:
            DataError: another shape or type, no points, NaN or infinite values.
        """
        points = matrix(points, "points", None, 3)
        features = matrix(features, "features", len(points), self._channels())
        with geometry.use_threads(self._threads):
            return self._logits(points, features)

    def _cloud(
        self, xyz: PointCloud | ArrayLike, arrays: dict[str, ArrayLike | None]
    ) -> PointCloud:
        needed = features.required(self._names)
        cloud = as_cloud(xyz, arrays, needed)
        cloud.finite(WHERE)
        if not isinstance(xyz, PointCloud):
            model = self._described()
            for name in fitting.lacking(model, cloud.arrays()):
                if name not in fitting.optional(model):
                    raise DataError(
                        f"the model needs '{name}', and cannot do without: give {name}=…, one for "
                        "each point, or a whole cloud that has it"
                    )
        return cloud

    def _described(self) -> fitting.Described:
        """The model as those see it who look at its configuration and metadata."""
        config = SimpleNamespace(**self.config | {"radius": self._radius})
        return cast(fitting.Described, SimpleNamespace(config=config, metadata=self.metadata))

    def _label(self, cloud: PointCloud, fit: Fit, tile_points: int) -> NDArray[np.int64]:
        """As `salanet.inference.segment`."""
        keep = features.required(self._names)
        cells = to_cells(fit.cloud(cloud), fit.grid, keep=keep, black=True, where=WHERE)
        seen = cell_features(cells, self._names, fit.intensity_scale, fit.grid, WHERE)
        points = cells.coord * np.float32(fit.zoom)
        labels = np.empty(len(seen), np.int64)
        for rows, core in tiles(points, tile_points, HALO_RADII * self._radius):
            labels[rows[core]] = self._logits(points[rows], seen[rows])[core].argmax(1)
        return labels[cells.of_point]

    def _logits(
        self, points: NDArray[np.float32], features: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        levels = geometry.pyramid(
            points, grid=self._grid, radius=self._radius, neighbours=self.config["neighbours"]
        )
        return self._run(features, levels)

    def _channels(self) -> int:
        return features.width(self._names)

    def _try(self, path: Path) -> None:
        """One point through the network: weights that do not fit show now, not in the middle."""
        try:
            points, seen = (np.zeros((1, width), np.float32) for width in (3, self._channels()))
            with geometry.use_threads(self._threads):
                shape: tuple[int, ...] = self._logits(points, seen).shape
        except Exception as error:  # onnxruntime's own classes derive from nothing narrower
            reason = " ".join(str(error).split())[:200]
            raise FileError(path, f"its weights do not fit its architecture ({reason})") from error
        if shape != (1, len(self.classes)):
            raise FileError(path, f"has {shape[-1]} outputs for {len(self.classes)} classes")
