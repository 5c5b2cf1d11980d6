"""`salanet predict`: the same file out, with classes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

if TYPE_CHECKING:
    from rich.console import Console

    from salanet.inference.predict import PredictOptions
    from salanet.models import Network


def main(argv: list[str]) -> int:
    return tyro.cli(run, args=argv, prog="salanet predict", description=run.__doc__)


def run(
    files: tyro.conf.Positional[tuple[Path, ...]],
    model: Annotated[Path, tyro.conf.arg(aliases=["-m"])],
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None,
    probabilities: bool = False,
    votes: int = 1,
    columns: str | None = None,
    json: bool = False,
    dry_run: bool = False,
    device: str = "auto",
) -> int:
    """Label point clouds: the same points in the same order, every other attribute untouched.

    Args:
        files: point clouds in any format, folders of them, or patterns such as 'tiles/*.laz'. One
            that fails does not stop the others; the exit code is 2 then.
        model: model file (.safetensors).
        output: file for one input, folder for several. Default: NAME.labelled.SUFFIX beside each
            (.laz for E57, which is read only).
        probabilities: add the probability of each class as attributes p_CLASS.
        votes: passes, each with the cloud turned and scaled otherwise; logits are averaged.
        columns: what the columns of text files are, such as 'x,y,z,intensity'; _ skips one.
        json: print what was done as JSON.
        dry_run: check inputs, model and outputs, and write nothing.
        device: auto, cpu, cuda.
    """
    from salanet.cli.batch import expand, for_each
    from salanet.cli.console import load_model, messages, print_json
    from salanet.cli.main import EXIT_USER_ERROR
    from salanet.errors import ConfigError
    from salanet.inference.outputs import MARK, plan_outputs
    from salanet.inference.predict import PredictOptions

    if not files:
        raise ConfigError("name at least one file to label")
    if votes < 1:
        raise ConfigError(f"--votes must be at least 1, not {votes}")
    found = expand(files, skip=MARK)
    outputs = plan_outputs(found, output)
    network = load_model(model, device)
    console = messages()
    options = PredictOptions(probabilities=probabilities, votes=votes, columns=columns)
    done: list[dict[str, Any]] = []

    def work(i: int) -> None:
        report = predict(network, found[i], outputs[i], options, dry_run, console)
        done.append(report)
        if not json:
            show(report, dry_run)

    failed = for_each(found, work)
    if json:
        errors = [{"input": str(path), "error": message} for path, message in failed.items()]
        print_json([*done, *errors])
    return EXIT_USER_ERROR if failed else 0


def predict(
    model: Network,
    path: Path,
    to: Path,
    options: PredictOptions,
    dry_run: bool,
    console: Console,
) -> dict[str, Any]:
    """Label one file; returns the report."""
    from rich.progress import Progress

    from salanet.cli.console import peak_memory
    from salanet.inference.predict import inspect_file, predict_file

    if dry_run:
        return {"input": str(path), "output": str(to), **inspect_file(model, path, options)}
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(path.name, total=None)

        def show_progress(phase: str, done: int, total: int) -> None:
            bar.update(task, description=f"{path.name}: {phase}", completed=done, total=total)

        report = predict_file(model, path, to, options, show_progress)
    return report | {"peak_memory_bytes": peak_memory()}


def show(report: dict[str, Any], dry_run: bool) -> None:
    """Print a report for people."""
    from rich.table import Table

    from salanet.cli.console import results

    console = results()
    if dry_run:
        console.print(
            f"{report['input']}: {report['points']:,} points, {report['cells']:,} cells, "
            f"would be written to {report['output']}",
            soft_wrap=True,
        )
        return
    table = Table()
    table.add_column("class")
    table.add_column("points", justify="right")
    table.add_column("share", justify="right")
    for name, count in report["classes"].items():
        table.add_row(name, f"{count:,}", f"{count / report['points']:.1%}")
    console.print(report["output"], soft_wrap=True)
    console.print(table)
    for remark in report["remarks"]:
        console.print(f"note: {remark}", soft_wrap=True)
    peak = report["peak_memory_bytes"]
    memory = f", peak memory {peak / 1e6:,.0f} MB" if peak else ""
    console.print(
        f"{report['points']:,} points in {report['seconds']:.2f} s (read "
        f"{report['seconds_read']:.2f}, network {report['seconds_network']:.2f}, write "
        f"{report['seconds_write']:.2f}), {report['points_per_second']:,.0f} points/s{memory}",
        soft_wrap=True,
    )
