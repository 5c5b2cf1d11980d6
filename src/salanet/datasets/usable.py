"""Which points of a labelled file are fit to learn from, and what is said of files and points."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from salanet.cloud import PointCloud
from salanet.company import Company
from salanet.errors import DataError
from salanet.sampling.noise import flagged

if TYPE_CHECKING:
    from salanet.datasets.files import Settings
    from salanet.datasets.jobs import Prepared

KINDS = {
    "not_finite": "have NaN or infinite coordinates",
    "strays": "lie far from all others",
    "flagged": "are flagged as noise or withheld",
}


def usable(cloud: PointCloud, settings: Settings, where: str) -> tuple[PointCloud, dict[str, int]]:
    """The points that scenes are made of, and how many others there are by kind (`KINDS`).

    Points without finite coordinates, strays and what the file flags as noise are left out, as
    `salanet predict` does; but noise that the class map gives to a class by its code is learned.

    Raises DataError if the cloud is empty, has no finite coordinates, or nothing is left.
    """
    finite = cloud.finite(where)
    named = settings.classes.named if settings.label_field is None else ()
    noise = flagged(cloud, but=named) & finite
    if (noise == finite).all():
        raise DataError(f"{where}: all {len(cloud):,} points are flagged as noise or withheld")
    strays = Company.of(cloud.xyz[~noise]).strays(cloud.xyz) & ~noise & finite
    kinds = {"not_finite": ~finite, "strays": strays, "flagged": noise}
    counts = {kind: int(rows.sum()) for kind, rows in kinds.items()}
    return (cloud.rows(finite & ~strays & ~noise) if any(counts.values()) else cloud), counts


def left_out(results: Iterable[Prepared]) -> list[str]:
    """Warnings of points that became part of no scene."""
    files = {
        result.job.source: result.meta["left_out"] for result in results
    }  # parts say it of the whole
    said = []
    for kind, what in KINDS.items():
        counts = {path: found[kind] for path, found in files.items() if found.get(kind)}
        if counts:
            more = f" and {len(counts) - 1} more files" if len(counts) > 1 else ""
            such = f"{next(iter(counts)).name}{more}"
            said.append(f"{sum(counts.values()):,} points of {such} {what}: left out of the scenes")
    return said


def foreign_units(results: Iterable[Prepared]) -> list[str]:
    """Warnings of files that are not in metres: their scenes are not either, but models are."""
    units = Counter(result.meta["unit"] for result in results if result.meta["unit"])
    return [
        f"{count} file{'s are' if count > 1 else ' is'} in {unit} by the reference "
        "system, and so are the grid and the scene: bring the coordinates to metres, which "
        "`salanet predict` gives the network"
        for unit, count in units.items()
    ]


def turned(results: Iterable[Prepared]) -> list[str]:
    """A remark on files whose format has y up, as glTF has: their scenes have z up."""
    count = sum(bool(result.meta.get("turned")) for result in results)
    who = f"{count} files have" if count > 1 else "1 file has"
    return [f"{who} y up, as the format has it: the scenes have z up"] if count else []
