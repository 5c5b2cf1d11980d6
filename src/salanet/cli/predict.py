"""`salanet predict`: the same file out, with classes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

if TYPE_CHECKING:
    from rich.console import Console

    from salanet.inference.predict import PredictOptions
    from salanet.models import Network


def main(argv: list[str]) -> int:
    from salanet.cli.cluster import with_address

    given = with_address(argv)
    return tyro.cli(run, args=given, prog="salanet predict", description=run.__doc__)


def run(
    files: tyro.conf.Positional[tuple[Path, ...]],
    model: Annotated[Path | None, tyro.conf.arg(aliases=["-m"])] = None,
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None,
    probabilities: bool = False,
    confidence: bool = False,
    entropy: bool = False,
    votes: int = 1,
    units: Literal["auto", "m", "ft", "us-ft", "mm", "cm"] = "auto",
    up: Literal["auto", "z", "y"] = "auto",
    grid: float | Literal["auto"] | None = None,
    noise: bool = False,
    vertices: bool = False,
    columns: str | None = None,
    scan: int | None = None,
    scans: Literal["merged", "separate"] = "merged",
    memory: str | None = None,
    resume: bool = False,
    border: bool = True,
    cluster: str | None = None,
    workers: int | None = None,
    json: bool = False,
    dry_run: bool = False,
    device: str = "auto",
) -> int:
    """Label point clouds: the same points in the same order, every other attribute untouched.

    Args:
        files: point clouds in any format, folders of them, or patterns such as 'tiles/*.laz'. One
            that fails does not stop the others; the exit code is 2 then.
        model: model file (.safetensors), or the name of one that comes with the package (`salanet
            models`). Default: the one of these that a file looks made for.
        output: file for one input, folder for several. Default: NAME.labelled.SUFFIX beside each
            (.laz for E57, which is read only).
        probabilities: add the probability of each class as attributes p_CLASS.
        confidence: add the largest of the probabilities.
        entropy: add the entropy of the probabilities, from 0 (certain) to 1 (all as likely).
        votes: passes, each with the cloud turned and scaled otherwise; logits are averaged.
        units: of the coordinates. By default what the file's reference system says, else found out.
        up: the axis that points up; auto: z, unless the cloud plainly lies on its side.
        grid: size in metres of the cells to work with. Default: the model's; auto: larger ones
            where the points are much sparser than in training.
        noise: label points too that the file flags as noise or withholds. By default they keep
            their codes, and nothing rests on them.
        vertices: of a mesh (PLY with faces), see the vertices alone. By default points all over
            its faces are seen too; those labelled are the vertices either way.
        columns: what the columns of text files are, such as 'x,y,z,intensity'; _ skips one.
        scan: only the scan of this number, from 0, of an E57 with several.
        scans: those of an E57 merged, or separate: each to a NAME.scanN of its own.
        memory: how much to take, such as 500MB or 2GB; LAS, LAZ and PLY files that need more pass
            through it piece by piece. Default: a quarter of the machine's, at most 1.2 GB.
        resume: continue what a killed run left unfinished.
        border: of several files that touch, see the neighbours' points near the edge of each, so
            that results have no seams.
        cluster: spread the files over the workers of a Dask cluster at this address, such as
            tcp://host:8786; without one, over processes on this machine.
        workers: how many processes that is. Default: one per core.
        json: print what was done as JSON.
        dry_run: check inputs, model and outputs, and write nothing.
        device: auto, cpu, cuda.
    """
    from dataclasses import replace

    from salanet.cli.batch import conclude, expand, for_each
    from salanet.cli.console import messages
    from salanet.errors import ConfigError
    from salanet.inference.border import touching
    from salanet.inference.fit import FitOptions
    from salanet.inference.memory import parse_memory
    from salanet.inference.outputs import MARK, plan_outputs
    from salanet.inference.predict import PredictOptions
    from salanet.inference.strips import kept_for

    if not files:
        raise ConfigError("name at least one file to label")
    if votes < 1:
        raise ConfigError(f"--votes must be at least 1, not {votes}")
    if scan is not None and scans == "separate":
        raise ConfigError("--scan takes one scan, --scans separate all of them: choose one")
    if workers is not None and (cluster is None or workers < 1):
        raise ConfigError("--workers is how many processes --cluster starts: at least 1")
    options = PredictOptions(
        probabilities=probabilities,
        confidence=confidence,
        entropy=entropy,
        votes=votes,
        columns=columns,
        scan=scan,
        memory=None if memory is None else parse_memory(memory),
        resume=resume,
        vertices=vertices,
        fit=FitOptions(units=units, grid=grid, up=up, noise=noise),
    )
    found = expand(files, skip=MARK)
    outputs = plan_outputs(found, output)
    if cluster is not None and not dry_run:
        from salanet.cli.cluster import plan_tiles, predict_on_cluster

        network, tiles = plan_tiles(found, outputs, options, model, scans == "separate", border)
        return predict_on_cluster(
            tiles, network, address=cluster, workers=workers, device=device, json=json
        )
    models = model_of(model, device)
    console = messages()
    done: list[dict[str, Any]] = []

    def work(i: int) -> None:
        for wanted, to in parts(found[i], outputs[i], options, scans == "separate"):
            network, why = models(found[i], wanted)
            if border:
                wanted = replace(wanted, border=touching(network, found[i], found), strips=True)
            report = predict(network, found[i], to, wanted, dry_run, console)
            report["remarks"] = [*why, *report["remarks"]]
            done.append(report)
            if not json:
                show(report, dry_run)

    with kept_for(() if dry_run else outputs):
        failed = for_each(found, work)
    return conclude(done, failed, "input", json)


def model_of(
    model: Path | None, device: str
) -> Callable[[Path, PredictOptions], tuple[Network, list[str]]]:
    """Gives the model for a file: the one named, or a shipped one that the file looks made for.

    With it come remarks that say why.
    """
    from salanet.cli.console import load_model
    from salanet.inference.choose import choose, survey_file
    from salanet.models import zoo

    if model is not None:
        network = load_model(model, device)
        return lambda *_: (network, [])
    entries = zoo.require_entries()
    loaded: dict[str, Network] = {}

    def choose_for(path: Path, options: PredictOptions) -> tuple[Network, list[str]]:
        seen = survey_file(path, options.columns, options.scan)
        entry, why = choose(seen, str(path), entries, options.fit)
        if entry.name not in loaded:
            loaded[entry.name] = load_model(entry.path, device)
        return loaded[entry.name], [why]

    return choose_for


def parts(
    path: Path, to: Path, options: PredictOptions, separate: bool
) -> list[tuple[PredictOptions, Path]]:
    """What is predicted of a file, and where it goes: all of it, or each scan with points."""
    from dataclasses import replace

    from salanet.cli.batch import full_scans
    from salanet.inference.outputs import scan_output

    numbers = full_scans(path) if separate else []
    if len(numbers) <= 1:
        return [(options, to)]
    return [(replace(options, scan=i), scan_output(to, i)) for i in numbers]


def predict(
    model: Network,
    path: Path,
    to: Path,
    options: PredictOptions,
    dry_run: bool,
    console: Console,
) -> dict[str, Any]:
    """Label one file; returns the report."""
    from salanet.cli.console import peak_memory
    from salanet.cli.phases import Phases
    from salanet.inference.predict import inspect_file, predict_file

    if dry_run:
        return {"input": str(path), "output": str(to), **inspect_file(model, path, to, options)}
    with Phases(console, path.name) as phases:
        report = predict_file(model, path, to, options, phases.show)
    return report | {"peak_memory_bytes": peak_memory()}


def show(report: dict[str, Any], dry_run: bool) -> None:
    """Print a report for people."""
    from rich.table import Table

    from salanet.cli.console import results

    console = results()
    if dry_run:
        console.print(
            f"{report['input']}: {report['points']:,} points, {planned(report)}, "
            f"would be written to {report['output']}",
            soft_wrap=True,
        )
        for remark in report["remarks"]:
            console.print(f"note: {remark}", soft_wrap=True)
        return
    table = Table()
    table.add_column("code", justify="right")
    table.add_column("class")
    table.add_column("points", justify="right")
    table.add_column("share", justify="right")
    for code, (name, count) in zip(report["codes"], report["classes"].items(), strict=True):
        table.add_row(str(code), name, f"{count:,}", f"{count / report['points']:.1%}")
    console.print(report["output"], soft_wrap=True)
    console.print(table)
    certainty = report.get("certainty")
    if certainty and certainty["calibrated"]:
        console.print(
            f"about {certainty['expected']:.0%} of the labels are expected to be right, "
            f"{certainty['doubtful']:.0%} are doubtful",
            soft_wrap=True,
        )
    for remark in report["remarks"]:
        console.print(f"note: {remark}", soft_wrap=True)
    peak = report["peak_memory_bytes"]
    memory = f", peak memory {peak / 1e6:,.0f} MB" if peak else ""
    phases = ", ".join(
        f"{name.removeprefix('seconds_')} {spent:.2f}"
        for name, spent in report.items()
        if name.startswith("seconds_")
    )
    console.print(
        f"{report['points']:,} points in {report['seconds']:.2f} s ({phases}), "
        f"{report['points_per_second']:,.0f} points/s{memory}",
        soft_wrap=True,
    )


def planned(report: dict[str, Any]) -> str:
    """What a dry run found out about the work."""
    if "plan" not in report:
        return f"{report['cells']:,} cells, in memory at once"
    plan = report["plan"]
    return (
        f"piece by piece with about {report['memory_bytes'] / 1e6:,.0f} MB of memory "
        f"({plan['chunk']:,} points at once) and up to "
        f"{report['disk_bytes'] / 1e9:,.1f} GB of disk beside the result"
    )
