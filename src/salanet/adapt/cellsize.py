"""How large the cells are that a cloud is reduced to, by its density and the model's training."""

from __future__ import annotations

import math

from salanet.model_file import Described
from salanet.remark import Remark

FITTING = 0.7  # times the distance of the points: for a model that knows many sizes of cells,
STEPS = 2  # from cells to such twice as wide
SPARSE = 3.0  # times the spacing of training, or as many times denser: worth a remark
HOPELESS = 6.0  # times: most cells are alone
# Measured on an airborne tile 12 times as sparse as in training: mIoU 29 %, either way.
ALONE = "labels are unlikely to be of use, as most cells see no other nearby (on average {seen})"


def trained_spacing(model: Described) -> float:
    """Metres between neighbouring points of the training data; no less than the model's grid."""
    return max(model.card.spacing or 0.0, model.config.grid)


def cell_range(model: Described) -> tuple[float, float] | None:
    """Least and largest cells that the model was trained on, if on more than those of its grid."""
    known = model.card.cells
    return (known[0], known[1]) if known else None


def cell_size(
    option: float | str | None, spacing: float, model: Described
) -> tuple[float, list[str]]:
    """The size in metres of the cells to work with, and what is to be said of it.

    Args:
        option: as in `salanet.adapt.alignment.AlignmentOptions`.
        spacing: metres between neighbouring points; NaN if unknown.
        model: its grid, and what its metadata tell of its training.
    """
    grid, radius, trained = model.config.grid, model.config.radius, trained_spacing(model)
    if isinstance(option, (int, float)):
        same = math.isclose(option, grid)
        remark = f"cells of {option:g} m, as asked; the model was trained with {grid:g} m"
        return float(option), [] if same else [remark]
    if sizes := cell_range(model):
        return _filled(spacing, grid, sizes)
    sparser = max(spacing, grid) / trained if math.isfinite(spacing) else 1.0
    if 1 / SPARSE <= sparser <= SPARSE:
        return grid, []
    # Cells as full as in training would make everything look as much smaller: half way is better
    # than either end (measured on airborne tiles thinned 16 and 64 times).
    fitting = float(f"{grid * math.sqrt(sparser):.2g}")
    apart = (
        f"points are about {spacing:.2g} m apart, {sparser:.2g} times as far as the "
        f"{trained:.2g} m the model was trained on"
    )
    seen, better = (_seen(radius * size / grid, spacing) for size in (grid, fitting))
    if option == "auto":
        return fitting, [
            f"{apart}: cells of {fitting:g} m instead of {grid:g} m; each sees about {better} "
            f"others nearby instead of {seen}"
        ]
    hope = "expect less" if sparser < HOPELESS else ALONE
    return grid, [
        Remark(
            f"{apart}: {hope.format(seen=seen)}; cells of {fitting:g} m would see {better} others, "
            f"but things at {grid / fitting:.2g} of their size: seldom better",
            "sparse",
            spacing=spacing,
            cells=fitting,
        )
    ]


def _filled(spacing: float, grid: float, sizes: tuple[float, float]) -> tuple[float, list[str]]:
    """Cells that follow the distance of the points, for a model that knows many sizes.

    They are the model's own times powers of the square root of 2: tiles of one survey differ a
    little in density, and are to be seen alike (cells 5 % larger change 4 % of the labels, measured
    on airborne tiles). Steps of 2 are too wide: at 0.4 m between points, on sites that no training
    saw, cells of 0.2 m lose roofs and cells of 0.4 m a point of accuracy; those of 0.28 m neither.
    """
    wanted = max(grid, FITTING * spacing) if math.isfinite(spacing) else grid
    size = grid * 2 ** (round(STEPS * math.log2(wanted / grid)) / STEPS)
    size = min(float(f"{size:.2g}"), sizes[1])  # as it is told, for `--grid` to repeat
    if size <= grid:
        return grid, []
    apart = f"points are about {spacing:.2g} m apart: cells of {size:g} m instead of {grid:g} m"
    scarce = ", the largest that the model was trained on: expect less"
    return size, [Remark(apart + (scarce if wanted > sizes[1] else ""), "filled", cells=size)]


def _seen(radius: float, spacing: float) -> str:
    """How many other points of a surface are within a radius."""
    return f"{math.pi * (radius / spacing) ** 2:.2g}"
