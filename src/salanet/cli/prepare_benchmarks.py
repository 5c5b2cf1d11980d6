"""`salanet prepare s3dis | scannet | partnet SRC DST`: benchmarks as published, to train on."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from salanet.cli.console import messages, print_json, results
from salanet.cli.parse import parse
from salanet.errors import FileError

if TYPE_CHECKING:
    from salanet.datasets.benchmark import Check, Plan
    from salanet.datasets.jobs import Prepared

SHOWN = 20  # of a long list


@dataclass
class Source:
    source: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="SRC")]
    """Folder of the data as downloaded."""


@dataclass
class Output:
    destination: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="DST")]
    """Folder to write."""
    workers: int = field(default_factory=lambda: min(os.cpu_count() or 1, 8))
    """Scenes prepared at the same time."""
    dry_run: bool = False
    """Say what would be done; write nothing."""
    verify: bool = False
    """Compare what is there with its checksums and with the published counts; write nothing."""
    json: bool = False
    """Print the report as JSON."""


@dataclass
class Common(Output, Source):
    """SRC, DST and what goes for all."""


@dataclass
class S3DIS(Common):
    """Prepare S3DIS: raw Stanford3dDataset_v1.2, or rooms that Pointcept prepared.

    Writes one scene per room, DST/Area_1/office_1 and so on, and DST/manifest.json. Run it again
    to go on after an interruption; what is complete is skipped.
    """

    grid: float = 0.04
    """Cell size of the subsampling in metres."""
    aligned: bool = False
    """Accept the aligned version, which the paper does not use."""


@dataclass
class ScanNet(Common):
    """Prepare ScanNet v2: scans/ and scans_test/, or scenes that Pointcept prepared.

    Writes DST/train, DST/val, DST/test and DST/manifest.json; the vertices of the meshes keep
    their order. Run it again to go on after an interruption.
    """

    grid: float = 0.04
    """Cell size of the subsampling in metres."""
    splits: Path | None = None
    """Folder with scannetv2_train.txt, scannetv2_val.txt, scannetv2_test.txt. Default: SRC."""
    labels: Path | None = None
    """scannetv2-labels.combined.tsv. Default: in SRC, or with the splits."""
    align: bool = False
    """Turn each scan by the axisAlignment in its .txt."""


@dataclass
class PartNet(Common):
    """Prepare PartNet: level 3 of sem_seg_h5, 17 categories.

    Writes one folder per split and category, DST/train/Chair and so on, with all its shapes, and
    DST/manifest.json. Run it again to go on after an interruption.
    """


def s3dis(argv: list[str]) -> int:
    options = parse(S3DIS, argv, "prepare s3dis", ["prepare s3dis downloaded/ scenes/"])
    from salanet.datasets import s3dis

    return run(
        options,
        lambda: s3dis.plan(
            options.source, options.destination, grid=options.grid, aligned=options.aligned
        ),
        s3dis.check,
    )


def scannet(argv: list[str]) -> int:
    options = parse(ScanNet, argv, "prepare scannet", ["prepare scannet downloaded/ scenes/"])
    from salanet.datasets import scannet

    return run(
        options,
        lambda: scannet.plan(
            options.source,
            options.destination,
            grid=options.grid,
            splits=options.splits,
            labels=options.labels,
            align=options.align,
        ),
        scannet.check,
    )


def partnet(argv: list[str]) -> int:
    options = parse(PartNet, argv, "prepare partnet", ["prepare partnet downloaded/ scenes/"])
    from salanet.datasets import partnet

    return run(options, lambda: partnet.plan(options.source, options.destination), partnet.check)


def run(
    options: Output,
    make_plan: Callable[[], Plan],
    check: Callable[[Mapping[str, Any]], list[Check]],
) -> int:
    from salanet.datasets import manifest

    if options.verify:
        content = manifest.load(options.destination)
        _verify(options.destination, content, check(content["scenes"]), as_json=options.json)
        return 0
    plan = make_plan()
    if options.dry_run:
        _show_plan(plan, as_json=options.json)
        return 0
    _show_origin(plan.benchmark.origin, plan.benchmark.licence)
    done = _with_progress(plan, options.workers)
    content = _save_manifest(plan, done, options.destination)
    _show_report(plan, done, content, check(content["scenes"]), options)
    return 0


def _with_progress(plan: Plan, workers: int) -> list[Prepared]:
    from salanet.cli.phases import progress_bar
    from salanet.datasets.benchmark import prepare

    with progress_bar() as progress:
        task = progress.add_task("", total=len(plan.jobs))
        return prepare(
            plan,
            workers=workers,
            done=lambda result: progress.update(task, advance=1, description=result.job.name),
        )


def _save_manifest(plan: Plan, done: list[Prepared], destination: Path) -> dict[str, Any]:
    """The manifest of everything in the destination: this run's folders, and earlier ones'."""
    from salanet.datasets import manifest
    from salanet.datasets.benchmark import describe

    known: dict[str, Any] = {}
    if (destination / manifest.NAME).exists():
        before = manifest.load(destination)
        if before["settings"] == plan.settings:
            known = {n: s for n, s in before["scenes"].items() if (destination / n).is_dir()}
    for result in done:
        if not (result.skipped and result.job.name in known):
            known[result.job.name] = describe(result)
    header = {
        "dataset": plan.benchmark.name,
        "origin": plan.benchmark.origin,
        "licence": plan.benchmark.licence,
        "settings": plan.settings,
    }
    return manifest.save(destination, header, known)


def _show_plan(plan: Plan, *, as_json: bool) -> None:
    from salanet.datasets.jobs import is_current

    rows: list[dict[str, Any]] = [
        {
            "scene": job.name,
            "files": len(job.files),
            "bytes": sum(path.stat().st_size for path in job.files),
            "action": "skip, complete" if is_current(job, plan.settings) else "prepare",
        }
        for job in plan.jobs
    ]
    if as_json:
        print_json({"dry_run": True, "scenes": rows, "remarks": list(plan.remarks)})
        return
    from rich.table import Table

    table = Table("scene", "files", "megabytes", "action", title="nothing is written (--dry-run)")
    for row in rows:
        table.add_row(row["scene"], str(row["files"]), f"{row['bytes'] / 1e6:,.1f}", row["action"])
    results().print(table)
    _show_remarks(list(plan.remarks))
    _show_origin(plan.benchmark.origin, plan.benchmark.licence)


def _show_report(
    plan: Plan,
    done: list[Prepared],
    content: dict[str, Any],
    checks: list[Check],
    options: Output,
) -> None:
    remarks = [*plan.remarks, *(remark for result in done for remark in result.remarks)]
    skipped = sum(result.skipped for result in done)
    if options.json:
        scenes = [
            {
                "scene": result.job.name,
                **result.figures,
                "skipped": result.skipped,
                **_kind(plan, result.job.name),
            }
            for result in done
        ]
        report = {
            **{key: content[key] for key in ("dataset", "origin", "licence", "settings")},
            "scenes": scenes,
            "remarks": remarks,
            "checks": _as_json(checks),
        }
        print_json(report)
        return
    from rich.table import Table

    names = list(done[0].figures)
    table = Table("split", "folders", *names, title=plan.benchmark.name)
    for column in table.columns[1:]:
        column.justify = "right"
    for split in dict.fromkeys(result.job.split for result in done):
        of_split = [result for result in done if result.job.split == split]
        sums = (sum(result.figures[name] for result in of_split) for name in names)
        table.add_row(split, str(len(of_split)), *(f"{total:,}" for total in sums))
    out = results()
    out.print(table)
    if plan.kinds:
        for split in dict.fromkeys(result.job.split for result in done):
            count = Counter(plan.kinds[r.job.name] for r in done if r.job.split == split)
            listed = ", ".join(f"{number} {kind}" for kind, number in sorted(count.items()))
            out.print(f"{split}: {listed}", soft_wrap=True)
    again = f", {skipped} of them complete already" if skipped else ""
    out.print(f"{len(done)} folders in {options.destination}{again}", soft_wrap=True)
    _show_remarks(remarks)
    _show_checks(checks)


def _kind(plan: Plan, name: str) -> dict[str, str]:
    return {"kind": plan.kinds[name]} if name in plan.kinds else {}


def _verify(
    destination: Path, content: dict[str, Any], checks: list[Check], *, as_json: bool
) -> None:
    """Raises FileError if a file is missing or has changed."""
    from salanet.datasets import manifest

    _show_origin(content["origin"], content["licence"])
    damage = manifest.damage(destination, content)
    if as_json:
        print_json({"damage": damage, "checks": _as_json(checks)})
    else:
        _show_checks(checks)
    if damage:
        more = f" (and {len(damage) - 1} more)" if len(damage) > 1 else ""
        raise FileError(
            destination, f"is damaged: {damage[0]}{more}; delete that folder and prepare it again"
        )
    if not as_json:
        files = sum(len(scene["files"]) for scene in content["scenes"].values())
        results().print(f"{files} files are as they were written", soft_wrap=True)


def _show_origin(origin: str, licence: str) -> None:
    console = messages()
    console.print(f"data: {origin}", soft_wrap=True)
    console.print(f"licence: {licence}", soft_wrap=True)


def _show_remarks(remarks: list[str]) -> None:
    console = messages()
    for remark in remarks[:SHOWN]:
        console.print(f"note: {remark}", soft_wrap=True, markup=False)
    if len(remarks) > SHOWN:
        console.print(f"note: {len(remarks) - SHOWN} more; --json shows all")


def _show_checks(checks: list[Check]) -> None:
    if not checks:  # generated data has no published counts
        return
    console = messages()
    failed = [check for check in checks if not check.passed]
    for check in failed[:SHOWN]:
        console.print(f"not as published: {check}", soft_wrap=True, markup=False)
    more = f" ({len(failed) - SHOWN} more are not; --json shows all)" if failed[SHOWN:] else ""
    passed = len(checks) - len(failed)
    console.print(f"{passed} of {len(checks)} counts are as published{more}")


def _as_json(checks: list[Check]) -> list[dict[str, Any]]:
    from dataclasses import asdict

    return [asdict(check) | {"passed": check.passed} for check in checks]
