"""What a run leaves for people: a table per class, pictures, and how to repeat it.

Everything is made from the run folder alone: run.json, metrics.csv and metrics.json in; summary.md,
confusion.svg, curves.svg and loss.svg out.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from rich.console import Console

from salanet.errors import FileError
from salanet.evaluation import Confusion, PartScores, percent, table, write_json
from salanet.evaluation.charts import confusion_svg, curves_svg
from salanet.io import atomic_path
from salanet.terminal import visible
from salanet.training.run import Run

UNJUDGED = (
    "The model has learned from these very points: how good it is on others, nobody knows yet. "
    "`salanet evaluate` tells, on labelled scenes that it has not seen."
)
# Curves that share an axis, by file.
CURVES = {
    "curves.svg": ("train_miou", "val_miou", "train_oa", "val_oa"),
    "loss.svg": ("loss",),
}


def write_figures(
    run: Run,
    history: Sequence[dict[str, Any]],
    training: Confusion,
    validation: Confusion | PartScores | None,
    best: bool,
) -> None:
    """Write metrics.json: the latest row, the figures of its training batches, the best validation.

    Args:
        run: the run folder.
        history: all rows so far.
        training: of the latest epoch's batches.
        validation: of the latest epoch, None if there was none.
        best: whether that is the best so far; otherwise the best one noted stays.
    """
    path = run.folder / "metrics.json"
    judged, epoch = None, None
    if validation is not None and best:
        judged, epoch = validation.to_dict(), history[-1]["epoch"]
    elif len(history) > 1:
        with suppress(FileError, KeyError, TypeError):  # damaged: it goes on without
            noted = _json(path)
            judged, epoch = noted["validation"], noted["best_epoch"]
    latest = {name: _plain(value) for name, value in history[-1].items()}
    write_json(
        path,
        {
            "latest": latest,
            "best_epoch": epoch,
            "validation": judged,
            "training": training.to_dict(),
        },
    )


def summarise(run: Run, console: Console) -> Path:
    """Write the summary of a run that has ended, or stands where it stands; show its table.

    Returns:
        The path of summary.md.

    Raises:
        FileError: the folder holds no run, or cannot be written.
    """
    about, figures = (_json(run.folder / name) for name in ("run.json", "metrics.json"))
    history = run.read_metrics()
    for name, columns in CURVES.items():
        known = [column for column in columns if any(row.get(column) for row in history)]
        _write(run.folder / name, curves_svg(history, known))
    judged = figures["validation"] or figures["training"]
    if "classes" in judged:
        confusion = Confusion(list(judged["classes"]), judged["confusion"])
        _write(run.folder / "confusion.svg", confusion_svg(confusion.counts, confusion.classes))
        shown = table(confusion)
        shown.title = f"on {_judged_on(figures)}"
        console.print(shown)
    return _write(run.folder / "summary.md", text(run.folder.name, about, figures, history))


def text(
    name: str, about: dict[str, Any], figures: dict[str, Any], history: Sequence[dict[str, str]]
) -> str:
    """The summary as Markdown."""
    judged = figures["validation"] or figures["training"]
    last = history[-1]
    doubt = "" if figures["validation"] else " " + UNJUDGED
    pictures = ["![learning curves](curves.svg)", "", "![loss](loss.svg)"]
    if "classes" in judged:
        pictures = ["![confusion matrix](confusion.svg)", "", *pictures]
    lines = [
        f"# {name}",
        "",
        f"{last['epoch']} epochs, {last['step']} steps, {float(last['seconds']):,.0f} s.",
        f"On {_judged_on(figures)}: mIoU **{_percent(judged['miou'])}**, "
        f"OA {_percent(judged['oa'])}.{doubt}",
        "",
        *_rows(judged),
        "",
        *pictures,
        "",
        "## Again",
        "",
        *_again(about),
    ]
    return "\n".join(lines) + "\n"


def _rows(judged: dict[str, Any]) -> list[str]:
    """Figures of each class, or of each category of shapes."""
    if "classes" in judged:
        rows = [
            f"| {name} | {_percent(one['iou'])} | {_percent(one['accuracy'])} | {one['points']:,} |"
            for name, one in _cells(judged["classes"])
        ]
        return ["| class | IoU % | accuracy % | points |", "|:---|---:|---:|---:|", *rows]
    rows = [
        f"| {name} | {_percent(one['miou'])} | {_percent(one['shape_miou'])} | {one['shapes']:,} |"
        for name, one in _cells(judged["categories"])
    ]
    return ["| category | part IoU % | shape IoU % | shapes |", "|:---|---:|---:|---:|", *rows]


def _judged_on(figures: dict[str, Any]) -> str:
    """The data that the figures are of."""
    if figures["validation"]:
        return f"the validation data after epoch {figures['best_epoch']} (best.safetensors)"
    return "the training batches of the last epoch; there is no validation data"


def _cells(figures: dict[str, Any]) -> list[tuple[str, Any]]:
    """Names, which end no row and no cell of a table, and their figures."""
    return [(visible(name).replace("|", "\\|"), one) for name, one in figures.items()]


def _again(about: dict[str, Any]) -> list[str]:
    """How to repeat the run."""
    versions = ", ".join(f"{package} {version}" for package, version in about["versions"].items())
    git = about["git"]
    state = f", commit {git['commit'][:12]}" + " with changes" * git["modified"] if git else ""
    data = about["data"]
    return [
        f"In `{about['directory']}`, with {versions}{state}:",
        "",
        f"    {about['command']}",
        "",
        "recipe.yaml holds every value of the recipe; run.json the seed and the fingerprints of "
        f"the data, {len(data['training'])} to learn from and {len(data['validation'])} to "
        "validate on.",
    ]


def _percent(value: float | None) -> str:
    return percent(math.nan if value is None else value)


def _plain(value: Any) -> Any:
    """Not a number is no JSON."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _json(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise FileError(path, f"cannot be read ({error})") from error
    return content


def _write(path: Path, content: str) -> Path:
    with atomic_path(path) as temporary:
        temporary.write_text(content, encoding="utf-8")
    return path
