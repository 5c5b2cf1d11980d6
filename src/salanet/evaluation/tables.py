"""The paper's tables with our rows beside the published ones, which live in published.yaml.

Every row says whose it is: "paper" for what is printed there, "ours" for saved results.
"""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import yaml

from salanet.errors import ConfigError

Format = Literal["markdown", "csv", "latex"]
LAYOUTS = (
    "overview",
    "efficiency",
    "ablations",
    "partnet-summary",
    "s3dis",
    "s3dis-6fold",
    "scannet",
    "partnet",
)
AREAS = [f"Area_{number}" for number in range(1, 7)]
ABLATIONS = {
    ("reduction", "sum"): "R(·) set to SUM",
    ("positional", False): "No Positional Encoding",
    ("assignment", "hard"): "Hard Assignment",
    ("assignment", "none"): "No Assignment",
}


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Attributes:
        method: as printed, or what the result calls itself, with its parameters in millions.
        values: one for each column; None where there is none.
        source: table of the paper, or files and protocol of the result.
        ours: whether it was measured with this software.
        rerun: what `salanet train` takes to train a published system here.
    """

    method: str
    values: tuple[float | None, ...]
    source: str
    ours: bool
    rerun: str = ""


@dataclass(frozen=True)
class PaperTable:
    """A table of the paper: its columns, and rows that may be followed by ours.

    `further` says which recipes of further columns or folds the one in `rerun` stands for.
    """

    name: str
    number: int
    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    paper: str
    further: str = ""


def published(layout: str) -> PaperTable:
    """A table as printed; ConfigError if there is none of that name."""
    text = resources.files("salanet.evaluation").joinpath("published.yaml").read_text("utf-8")
    content = yaml.safe_load(text)
    if layout not in content["tables"]:
        raise ConfigError(f"no layout named '{layout}'; there are {', '.join(content['tables'])}")
    found = content["tables"][layout]
    source = f"Table {found['number']}"
    rows = []
    for method, printed in found["rows"].items():
        values = tuple(_number(text) for text in str(printed).split())
        rerun = _command(found["recipe"], values, content["reruns"][method])
        rows.append(Row(method, values, source, False, rerun))
    return PaperTable(
        layout,
        found["number"],
        found["title"],
        tuple(found["columns"]),
        tuple(rows),
        content["source"],
        found.get("further", ""),
    )


def _command(recipe: str | list[str], values: tuple[float | None, ...], rerun: str) -> str:
    """Options for the table's recipe, that of the first column with a value, or another recipe."""
    if rerun and not rerun.startswith("-"):
        return rerun
    if not isinstance(recipe, str):
        recipe = next(r for r, value in zip(recipe, values, strict=True) if value is not None)
    return f"{recipe} {rerun}".strip()


def with_results(table: PaperTable, results: Iterable[tuple[Path, dict[str, Any]]]) -> PaperTable:
    """The table with a row of ours for each result; repeated ones become their mean.

    Results of the same method, split and protocol are runs of one row. In the overview, results
    of one method fill one row.

    Raises:
        ConfigError: a result is of other classes, or another split, than the table.
    """
    groups: dict[tuple[str, str], list[tuple[Path, tuple[float | None, ...]]]] = {}
    for path, result in results:
        values = COLUMNS[table.name](table, path, result)
        key = (_method(table, result), _conditions(result))
        groups.setdefault(key, []).append((path, values))
    rows = [_mean_row(method, how, runs) for (method, how), runs in groups.items()]
    if table.name == "overview":
        rows = _joined(rows)
    return replace(table, rows=(*table.rows, *rows))


def render(table: PaperTable, style: Format) -> str:
    """The table as text that ends with a newline."""
    return {"markdown": _markdown, "csv": _csv, "latex": _latex}[style](table)


def _by_class(table: PaperTable, path: Path, result: dict[str, Any]) -> tuple[float | None, ...]:
    """Means, then IoU of each class: Tables 5 to 7."""
    means = {"OA": "oa", "mAcc": "macc", "mIoU": "miou"}
    classes = [column for column in table.columns if column not in means]
    if set(result.get("classes", ())) != set(classes):
        raise ConfigError(f"{path}: is of other classes than Table {table.number}")
    _require_split(table, path, result)
    return tuple(
        percent(result[means[c]] if c in means else result["classes"][c]["iou"])
        for c in table.columns
    )


def _area5(table: PaperTable, path: Path, result: dict[str, Any]) -> float | None:
    return _by_class(replace(published("s3dis"), number=table.number), path, result)[0]


def _ablation(table: PaperTable, path: Path, result: dict[str, Any]) -> tuple[float | None, ...]:
    return (_area5(table, path, result),)


def _efficiency(table: PaperTable, path: Path, result: dict[str, Any]) -> tuple[float | None, ...]:
    """mIoU on Area 5, and costs counted as in the paper's Table 2."""
    from salanet.models import ModelConfig
    from salanet.models.profile import profile

    if not result.get("config"):
        raise ConfigError(f"{path}: does not hold the model's configuration")
    cost = profile(ModelConfig(**result["config"]))
    return (
        _area5(table, path, result),
        cost.macs_per_neighbour / 1e9,
        cost.checkpoint_bytes / 1e6,
    )


def _overview(table: PaperTable, path: Path, result: dict[str, Any]) -> tuple[float | None, ...]:
    """mIoU in the column of the result's data set."""
    values: list[float | None] = [None] * len(table.columns)
    for column, layout in enumerate(("s3dis", "s3dis-6fold", "scannet")):
        try:
            _by_class(published(layout), path, result)
        except ConfigError:
            continue
        values[column] = percent(result["miou"])
    if not any(value is not None for value in values):
        raise ConfigError(f"{path}: is neither of S3DIS Area 5, nor of six folds, nor of ScanNet")
    return tuple(values)


def _by_category(table: PaperTable, path: Path, result: dict[str, Any]) -> tuple[float | None, ...]:
    """Mean part IoU, then that of each category: Tables 4 and 8."""
    found = result.get("categories")
    if found is None:
        raise ConfigError(f"{path}: is of scenes; Table {table.number} is of PartNet's shapes")
    wanted = published("partnet").columns[1:]
    if set(found) != set(wanted):
        raise ConfigError(
            f"{path}: has {len(found)} of the {len(wanted)} categories of Table {table.number}"
        )
    means = (percent(result["miou"]),)
    return means + tuple(percent(found[c]["miou"]) for c in table.columns[1:])


COLUMNS: dict[str, Callable[[PaperTable, Path, dict[str, Any]], tuple[float | None, ...]]] = {
    "overview": _overview,
    "efficiency": _efficiency,
    "ablations": _ablation,
    "partnet-summary": _by_category,
    "s3dis": _by_class,
    "s3dis-6fold": _by_class,
    "scannet": _by_class,
    "partnet": _by_category,
}


def percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _number(text: str) -> float | None:
    return None if text == "-" else float(text)


def _require_split(table: PaperTable, path: Path, result: dict[str, Any]) -> None:
    protocol = result["protocol"]
    if table.name == "s3dis" and protocol.get("split") != "Area_5":
        found = protocol.get("split") or "several folds"
        raise ConfigError(f"{path}: is of {found}; Table {table.number} is of Area_5")
    if table.name == "s3dis-6fold" and sorted(protocol.get("folds", ())) != AREAS:
        raise ConfigError(
            f"{path}: is not of all six areas; add their results with `salanet evaluate --folds`"
        )


def _method(table: PaperTable, result: dict[str, Any]) -> str:
    config = result.get("config") or {}
    options = list((config.get("operator_options") or {}).items())
    name = result.get("name") or config.get("operator") or "unnamed"
    if table.name == "ablations" and len(options) == 1:
        name = ABLATIONS.get(options[0], name)
    parameters = result.get("parameters")
    return f"{name} ({parameters / 1e6:.2g}M)" if parameters else str(name)


def _conditions(result: dict[str, Any]) -> str:
    protocol = result["protocol"]
    folds = protocol.get("folds")
    split = f"{len(folds)} folds" if folds else protocol.get("split", "unknown split")
    votes = protocol.get("votes", 1)
    on_cells = ", on cells" if protocol.get("points") == "cells" else ""
    return f"{split}, {protocol['name']}, {votes} {'vote' if votes == 1 else 'votes'}{on_cells}"


def _mean_row(
    method: str, conditions: str, runs: Sequence[tuple[Path, tuple[float | None, ...]]]
) -> Row:
    columns = zip(*(values for _, values in runs), strict=True)
    means = [
        None if any(v is None for v in column) else statistics.mean(v or 0.0 for v in column)
        for column in columns
    ]
    files = ", ".join(path.name for path, _ in runs)
    several = f", mean of {len(runs)} runs" if len(runs) > 1 else ""
    return Row(method, tuple(means), f"{files} ({conditions}{several})", ours=True)


def _joined(rows: Sequence[Row]) -> list[Row]:
    """Rows of one method as one, where they fill different columns."""
    joined: list[Row] = []
    for row in rows:
        for i, other in enumerate(joined):
            pairs = list(zip(other.values, row.values, strict=True))
            if other.method == row.method and all(None in pair for pair in pairs):
                values = tuple(b if a is None else a for a, b in pairs)
                joined[i] = replace(other, values=values, source=f"{other.source}; {row.source}")
                break
        else:
            joined.append(row)
    return joined


def _cells(table: PaperTable) -> list[list[str]]:
    """The header and every row as text."""
    cells = [["whose", "method", *table.columns, "source", "rerun"]]
    for row in table.rows:
        values = ["-" if value is None else f"{value:.1f}" for value in row.values]
        whose = "ours" if row.ours else "paper"
        cells.append([whose, row.method, *values, row.source, row.rerun])
    return cells


def _note(table: PaperTable) -> str:
    return (
        f'Layout of Table {table.number} of the paper. Rows of "paper" are as printed in: '
        f'{table.paper}. Rows of "ours" were measured with this software. "Rerun" is what '
        "`salanet train`, with --data, takes to train the system here"
        + (f"; {table.further}." if table.further else ".")
    )


def _markdown(table: PaperTable) -> str:
    head, *rows = [[cell.replace("|", "\\|") for cell in line] for line in _cells(table)]
    rows = [
        [f"**{cell}**" if i < 2 and row[0] == "ours" else cell for i, cell in enumerate(row)]
        for row in ([c.replace("*", "\\*") for c in row] for row in rows)
    ]
    rule = [":---", ":---", *["---:"] * len(table.columns), ":---", ":---"]
    lines = [f"| {' | '.join(line)} |" for line in (head, rule, *rows)]
    return "\n".join([f"**{table.title}**", "", *lines, "", _note(table)]) + "\n"


def _csv(table: PaperTable) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(_cells(table))
    return text.getvalue()


def _latex(table: PaperTable) -> str:
    head, *rows = [[_tex(cell) for cell in line] for line in _cells(table)]
    first = next((i for i, row in enumerate(rows) if row[0] == "ours"), len(rows))
    lines = [
        f"% {_note(table)}",
        rf"\begin{{tabular}}{{ll{'r' * len(table.columns)}ll}}",
        r"\hline",
    ]
    lines += [" & ".join(head) + r" \\", r"\hline"]
    lines += [" & ".join(row) + r" \\" for row in rows[:first]]
    if rows[first:]:
        lines += [r"\hline", *(" & ".join(row) + r" \\" for row in rows[first:])]
    return "\n".join([*lines, r"\hline", r"\end{tabular}"]) + "\n"


def _tex(text: str) -> str:
    for character in "&%$#_{}":
        text = text.replace(character, "\\" + character)
    return text.replace("·", r"$\cdot$").replace("*", "$^*$").replace("--", "-{}-")
