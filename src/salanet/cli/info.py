"""`salanet info`: what is in point cloud files."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import tyro

from salanet.cli.parse import parse

if TYPE_CHECKING:
    from salanet.adapt.choose import Findings
    from salanet.io.describe import Attribute, Description


APART = ("sparse", "filled")  # codes of remarks on how far apart points lie


EXAMPLES = (
    "info survey.laz",
    "info 'tiles/*.laz' --json",
)


def main(argv: list[str]) -> int:
    return parse(run, argv, "info", EXAMPLES)


def run(
    files: tyro.conf.Positional[tuple[Path, ...]],
    columns: str | None = None,
    units: Literal["auto", "m", "ft", "us-ft", "mm", "cm"] = "auto",
    up: Literal["auto", "z", "-z", "y", "-y"] = "auto",
    json: bool = False,
) -> int:
    """Describe point clouds: format, points, extent, reference system, attributes, classes, and
    what `salanet predict` would make of them.

    Args:
        files: point clouds in any format, folders of them, or patterns such as 'tiles/*.laz'.
        columns: what the columns of text files are, such as 'x,y,z,intensity'; _ skips one.
        units: of the coordinates. By default what the file's reference system says, else found out.
        up: the axis that points up (--up=-y, --up=-z: down); auto: z, unless the cloud plainly lies
            on its side or is what a camera sees.
        json: print a list with all of it as JSON.
    """
    from salanet.adapt.alignment import AlignmentOptions
    from salanet.adapt.choose import findings
    from salanet.cli.advice import advised
    from salanet.cli.batch import conclude, for_each
    from salanet.errors import ConfigError
    from salanet.io import read
    from salanet.io.describe import describe
    from salanet.io.faces import has_faces
    from salanet.io.find import expand
    from salanet.sampling.summary import summarise

    if not files:
        raise ConfigError("name at least one file to describe")
    found = expand(files)
    done: list[dict[str, Any]] = []

    def work(i: int) -> None:
        cloud = read(found[i], columns=columns)
        description = describe(found[i], cloud=cloud)
        meaning = findings(summarise(cloud), str(found[i]), AlignmentOptions(units=units, up=up))
        if has_faces(cloud):
            meaning = seen_all_over(meaning)
        meaning = replace(meaning, remarks=[*map(advised, meaning.remarks)])
        done.append(asdict(description) | {"prediction": asdict(meaning)})
        if not json:
            show(description, meaning)

    failed = for_each(found, work)
    return conclude(done, failed, "path", json)


def seen_all_over(meaning: Findings) -> Findings:
    """The findings of a mesh, of which its vertices do not tell how dense it is seen."""
    from salanet.cli.advice import code_of
    from salanet.remark import Remark

    said = Remark("a mesh: points all over its faces are seen beside its vertices")
    others = [remark for remark in meaning.remarks if code_of(remark) not in APART]
    return replace(meaning, points_per_cell=None, remarks=[said, *others])


def show(found: Description, meaning: Findings) -> None:
    """Print a description for people."""
    from rich.table import Table

    from salanet.cli.console import results
    from salanet.terminal import length

    console = results()
    console.print(found.path, style="bold", soft_wrap=True)
    console.print(f"{found.format}, {found.points:,} points, {found.bytes / 1e6:,.1f} MB")
    if found.low and found.high:
        for axis, low, high in zip("xyz", found.low, found.high, strict=True):
            ends = f"{length(low)} to {length(high)}"
            console.print(f"{axis} {ends}, {length(high - low)} long")
    console.print(reference(found), soft_wrap=True)
    for line in spacing(found, meaning):
        console.print(line, soft_wrap=True)
    table = Table()
    for name in ("attribute", "type", "least", "greatest"):
        table.add_column(name, justify="right" if name in ("least", "greatest") else "left")
    for attribute in found.attributes:
        kind = attribute.type + (f" × {attribute.width}" if attribute.width > 1 else "")
        table.add_row(attribute.name, kind, *limits(attribute))
    console.print(table)
    if found.classes:
        classes = Table()
        for name in ("code", "class", "points", "share"):
            classes.add_column(name, justify="left" if name == "class" else "right")
        for code, count in found.classes.items():
            share = f"{count / found.points:.1%}"
            classes.add_row(str(code), found.class_names.get(code, ""), f"{count:,}", share)
        console.print(classes)
    for warning in found.warnings:
        console.print(f"note: {warning}", soft_wrap=True)
    console.print(f"salanet predict would take: {meaning.model or 'no model by itself'}")
    for remark in meaning.remarks:
        console.print(f"note: {remark}", soft_wrap=True)


def spacing(found: Description, meaning: Findings) -> list[str]:
    """How dense the points are: over the area seen from above, and among each other."""
    lines = []
    if found.density and meaning.scale:
        density = found.density / (meaning.scale[0] * meaning.scale[1])
        lines.append(f"{density:,.4g} points per m² of the occupied area seen from above")
    elif found.density:
        lines.append(f"{found.density:,.4g} points per square unit of the occupied area")
    if meaning.spacing:
        line = f"points are about {meaning.spacing:.2g} m apart"
        if meaning.points_per_cell:
            line += f": {meaning.points_per_cell:,.2g} in a cell of the model {meaning.model}"
        lines.append(line)
    return lines


def reference(found: Description) -> str:
    if found.crs is None:
        return "no reference system"
    epsg = f" (EPSG:{found.crs.epsg})" if found.crs.epsg else ""
    return f"{found.crs.name}{epsg}, in {found.crs.units}"


def limits(attribute: Attribute) -> tuple[str, str]:
    if attribute.low is None or attribute.high is None:
        return "", ""
    return f"{attribute.low:.10g}", f"{attribute.high:.10g}"
