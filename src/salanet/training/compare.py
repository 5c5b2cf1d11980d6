"""Operators and networks under one recipe and one budget, and one table of how they did."""

from __future__ import annotations

import csv
import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from scipy.stats import ttest_rel

from salanet.errors import ConfigError, FileError
from salanet.evaluation import evaluate, result, write_json
from salanet.io import atomic_path
from salanet.model_config import PRESETS, PUBLISHED
from salanet.models import load
from salanet.models.networks import NETWORKS
from salanet.operators import OPERATORS
from salanet.scenes import Scene
from salanet.training.engine import Trainer
from salanet.training.recipe import Recipe, parse_recipe
from salanet.training.run import Run

RESULT = "result.json"


def rivals() -> tuple[str, ...]:
    """The networks but the one that all operators share."""
    return tuple(name for name in NETWORKS if name != "salanet")


@dataclass(frozen=True)
class Variant:
    """One contender: an operator and options of it in the U-Net all share, or another network.

    Attributes:
        name: as given, and as it appears in the table.
        network: "salanet", or a network of published size.
        operator: name of the local aggregation; "" where the network has one of its own.
        options: the operator's own.
    """

    name: str
    network: str
    operator: str
    options: dict[str, Any]

    @classmethod
    def parse(cls, text: str) -> Variant:
        """From `kpconv`, `sala:reduction=sum,groups=4`, or the name of a network as `randlanet`.

        Raises:
            ConfigError: an option is not of the form key=value, a network is given options, or
                nothing is called so.
        """
        operator, _, tail = text.partition(":")
        options = {}
        for part in filter(None, tail.split(",")):
            key, equals, value = part.partition("=")
            if not equals:
                raise ConfigError(f"'{text}': write options as {operator}:key=value,key=value")
            options[key.strip()] = yaml.safe_load(value)
        name = operator.strip()
        if name in OPERATORS or name in PRESETS:
            return cls(text, "salanet", name, options)
        if name not in rivals():
            known = ", ".join([*OPERATORS, *PRESETS, *rivals()])
            raise ConfigError(f"unknown operator '{name}'; known operators and networks: {known}")
        if options and name in PUBLISHED:
            raise ConfigError(f"'{text}': the network {name} has no options")
        return cls(text, name, "", options)

    def recipe(self, base: Recipe, seed: int) -> Recipe:
        """The base recipe with this network, operator and seed."""
        content = base.model_dump(mode="json")
        content["model"] |= {
            "network": self.network,
            "operator": self.operator,
            "operator_options": self.options,
        }
        content["training"]["seed"] = seed
        return parse_recipe(content, self.name)

    def folder(self, root: Path, seed: int) -> Path:
        safe = "".join(c if c.isalnum() or c in "=_-" else "-" for c in self.name)
        return root / f"{safe}-seed{seed}"


def compare(
    recipe: Recipe,
    variants: Sequence[Variant],
    seeds: int,
    train: Sequence[Scene],
    test: Sequence[Scene],
    folder: Path,
    *,
    budget: float | None = None,
    console: Console,
) -> list[dict[str, Any]]:
    """Train every variant with every seed, evaluate it, and write compare.{csv,md,tex}.

    What is complete is kept and what was interrupted goes on, so that a comparison that was
    killed continues where it stopped. The table is rewritten after each run; it is of all complete
    runs of the folder, so that a comparison can be made in parts.

    Args:
        recipe: what all runs share.
        variants, seeds: the runs are their product; seeds count up from the recipe's.
        train, test: scenes to learn from and to be judged on; no run sees the latter before it
            is judged.
        folder: one run folder for each run, and the tables.
        budget: seconds of each run; by default all epochs of the recipe.
        console: where progress is shown.

    Returns:
        One row per variant of the folder, see `rows`.

    Raises:
        ConfigError: two variants are the same, or the recipe's own network is no U-Net whose
            operators could be exchanged.
        FileError: the folder holds a comparison with other settings, or cannot be written.
    """
    if len({v.name for v in variants}) < len(variants):
        raise ConfigError("an operator is named twice")
    if recipe.model.network != "salanet":
        raise ConfigError(
            f"model.network: {recipe.model.network} has no choice of operators; compare salanet's"
        )
    settings = {"recipe": recipe.model_dump(mode="json"), "budget": budget}
    _check_settings(folder, settings)
    # Seeds in the outer loop: an unfinished comparison has every operator before a second seed.
    for seed in range(recipe.training.seed, recipe.training.seed + seeds):
        for variant in variants:
            place = variant.folder(folder, seed)
            if not (place / RESULT).is_file():
                console.print(f"{variant.name}, seed {seed}", style="bold")
                own = variant.recipe(recipe, seed)
                trial(variant.name, own, train, test, place, budget, console)
            table = rows(finished(folder))
            write_tables(folder, table)
    return table


def finished(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """The results of the complete runs of a comparison by variant, seeds rising."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(folder.glob(f"*-seed*/{RESULT}")):
        one = json.loads(path.read_text(encoding="utf-8"))
        name = one.get("variant") or path.parent.name.rpartition("-seed")[0]
        found.setdefault(name, []).append(one)
    return {name: sorted(runs, key=lambda one: one["seed"]) for name, runs in found.items()}


def trial(
    name: str,
    recipe: Recipe,
    train: Sequence[Scene],
    test: Sequence[Scene],
    folder: Path,
    budget: float | None,
    console: Console,
) -> None:
    """One run, from where it stands to its result.json."""
    run = Run(folder)
    resume = run.has_checkpoint
    Trainer(recipe, train, [], folder, budget=budget, console=console).train(resume=resume)
    history = run.read_metrics()
    model = load(run.last)
    parameters = sum(p.numel() for p in model.parameters())
    pooled = evaluate(model.fold(), test)
    write_json(
        folder / RESULT,
        result(
            pooled,
            protocol={"name": "whole", "votes": 1},
            variant=name,
            seed=recipe.training.seed,
            parameters=parameters,
            steps=int(history[-1]["step"]),
            seconds=float(history[-1]["seconds"]),
            points_per_second=statistics.median(float(r["points_per_second"]) for r in history),
        ),
    )


def rows(results: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """One row per variant: mean and spread (standard deviation) over its seeds, in percent.

    The spread is nan for a single seed. `p` is that of a two-sided paired t-test of the mIoU, seed
    by seed, against the best variant: how likely so large a difference were without any.
    `significant` says whether that is below 5 % after Holm's correction for so many tests.
    """
    table = []
    best = max(results.values(), key=lambda found: statistics.mean(r["miou"] for r in found))
    for name, found in results.items():
        row: dict[str, Any] = {"operator": name, "seeds": len(found)}
        row["parameters"] = found[0]["parameters"]
        for figure in ("miou", "oa", "macc"):
            values = [100 * r[figure] for r in found]
            row[figure] = round(statistics.mean(values), 2)
            spread = statistics.stdev(values) if len(values) > 1 else float("nan")
            row[f"{figure}_spread"] = round(spread, 2)
        row["p"] = _paired_p(found, best)
        for figure in ("points_per_second", "steps", "seconds"):
            row[figure] = round(statistics.mean(r[figure] for r in found))
        for cls in found[0]["classes"]:
            ious = [r["classes"][cls]["iou"] for r in found]
            known = [100 * iou for iou in ious if iou is not None]
            row[f"iou {cls}"] = round(statistics.mean(known), 2) if known else float("nan")
        table.append(row)
    for row, significant in zip(table, holm([row["p"] for row in table]), strict=True):
        row["significant"] = significant
    return sorted(table, key=lambda row: -row["miou"])


def holm(values: Sequence[float], level: float = 0.05) -> list[bool | None]:
    """Which of several p-values are significant together; None where there is none (nan).

    The least of n is compared with level / n, the next with level / (n - 1), and so on until one is
    too large (Holm 1979).
    """
    tested = sorted((value, i) for i, value in enumerate(values) if value == value)
    found: list[bool | None] = [None] * len(values)
    passed = True
    for rank, (value, i) in enumerate(tested):
        passed = passed and value <= level / (len(tested) - rank)
        found[i] = passed
    return found


def _paired_p(found: Sequence[dict[str, Any]], best: Sequence[dict[str, Any]]) -> float:
    """Of the seeds both have; nan for fewer than two, or for the best itself."""
    theirs = {one["seed"]: one["miou"] for one in best}
    pairs = [(one["miou"], theirs[one["seed"]]) for one in found if one["seed"] in theirs]
    if found is best or len(pairs) < 2 or all(a == b for a, b in pairs):
        return float("nan")
    return round(float(ttest_rel(*zip(*pairs, strict=True)).pvalue), 4)


def write_tables(folder: Path, table: Sequence[dict[str, Any]]) -> None:
    """compare.csv with every column, compare.md to be read, compare.tex to be printed."""
    with (
        atomic_path(folder / "compare.csv") as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, list(table[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)
    with atomic_path(folder / "compare.md") as temporary:
        temporary.write_text(markdown(table), encoding="utf-8")
    with atomic_path(folder / "compare.tex") as temporary:
        temporary.write_text(latex(table), encoding="utf-8")


HEAD = (
    *("operator", "parameters", "mIoU", "OA", "mAcc", "p", "differs"),
    *("training points/s", "steps", "seeds"),
)
NOTE = (
    "% Percent, mean and standard deviation over seeds; p: two-sided paired t-test of the mIoU, "
    "seed by seed,\n% against the first row; differs: p is significant at 5 % after Holm's "
    "correction.\n"
)


def markdown(table: Sequence[dict[str, Any]]) -> str:
    """The table as Markdown, best mIoU first."""
    lines = [HEAD, (":---", *["---:"] * (len(HEAD) - 1)), *map(_cells, table)]
    return "\n".join(f"| {' | '.join(line)} |".replace("| :---", "|:---") for line in lines) + "\n"


def latex(table: Sequence[dict[str, Any]]) -> str:
    """The table as a LaTeX tabular (package booktabs), best mIoU first and bold."""
    best, *others = ([_in_latex(cell) for cell in _cells(row)] for row in table)
    best[2] = rf"\textbf{{{best[2]}}}"
    lines = [" & ".join(line) + r" \\" for line in (HEAD, best, *others)]
    body = "\n".join([lines[0], r"\midrule", *lines[1:]])
    columns = "l" + "r" * (len(HEAD) - 1)
    head = f"{NOTE}\\begin{{tabular}}{{{columns}}}\n\\toprule\n"
    return f"{head}{body}\n\\bottomrule\n\\end{{tabular}}\n"


def _in_latex(text: str) -> str:
    """A cell as LaTeX prints it."""
    escaped = "".join(f"\\{c}" if c in "_%&#${}" else c for c in text)
    return escaped.replace("±", r"$\pm$")


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        row["operator"],
        f"{row['parameters']:,}",
        *(_with_spread(row, name) for name in ("miou", "oa", "macc")),
        "" if row["p"] != row["p"] else f"{row['p']:.3f}",
        {None: "", True: "yes", False: "no"}[row["significant"]],
        f"{row['points_per_second']:,}",
        f"{row['steps']:,}",
        str(row["seeds"]),
    )


def _with_spread(row: dict[str, Any], figure: str) -> str:
    spread = row[f"{figure}_spread"]
    mean = f"{row[figure]:.1f}"
    return mean if spread != spread else f"{mean} ± {spread:.1f}"


def _check_settings(folder: Path, settings: dict[str, Any]) -> None:
    """Note the settings of a new comparison; raise if the folder holds one with others."""
    path = folder / "compare.json"
    if path.is_file():
        try:
            same = json.loads(path.read_text(encoding="utf-8")) == settings
        except ValueError as error:
            raise FileError(path, "is damaged; choose another -o") from error
        if not same:
            raise FileError(
                folder, "holds a comparison with another recipe or budget; choose another -o"
            )
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(folder, f"cannot be created ({error.strerror})") from error
    write_json(path, settings)
