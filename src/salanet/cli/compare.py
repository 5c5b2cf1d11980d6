"""`salanet compare`: operators and networks under one recipe and one budget, and one table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from salanet.cli.console import duration, messages, print_json, require_torch, results
from salanet.cli.parse import parse
from salanet.errors import ConfigError
from salanet.terminal import visible
from salanet.training.recipe import Recipe, load_recipe

PROG = "salanet compare"
EXAMPLES = (
    "compare ign-lidar-hd --operators sala pospool kpconv --data scenes/ --budget 20m",
    "compare quick --operators all --data scenes/ --seeds 1 --dry-run",
)


@dataclass
class Arguments:
    """Train operators and networks alike, and compare them on scenes none of them has seen.

    Run it again to go on after an interruption: finished runs are kept. A comparison can be made in
    parts: the table is of all finished runs of its folder.
    """

    recipe: tyro.conf.Positional[str]
    """Name of a shipped recipe, or the path of a YAML file; comes first."""
    data: Path
    """Folder of the scenes that `salanet prepare` wrote."""
    operators: tuple[str, ...]
    """Operators by name, with options as in sala:reduction=sum,groups=4, and networks by name, as
    randlanet; `all` is every operator, `everything` every network too."""
    settings: Annotated[Recipe, tyro.conf.arg(name="")]
    seeds: int = 3
    """Runs of each operator, with seeds counting up from the recipe's."""
    budget: str | None = None
    """Time of each run, such as 90s or 20m. Default: all epochs of the recipe."""
    split: str = "test"
    """Scenes the results are measured on."""
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """Folder of the runs and tables. Default: runs/compare-RECIPE."""
    dry_run: bool = False
    """List the runs and their state; train nothing."""
    json: bool = False
    """Print the table as JSON."""


def main(argv: list[str]) -> None:
    named = bool(argv) and not argv[0].startswith("-")
    arguments = parse(
        Arguments,
        argv,
        "compare",
        EXAMPLES,
        default=Arguments(
            tyro.MISSING,
            tyro.MISSING,
            tyro.MISSING,
            load_recipe(argv[0]) if named else Recipe(),
        ),
        config=(tyro.conf.OmitArgPrefixes,),
    )
    if not named or arguments.recipe != argv[0]:
        raise ConfigError(f"give the recipe first: {PROG} RECIPE --operators … --data scenes/")
    require_torch()
    from salanet.operators import OPERATORS
    from salanet.scenes import open_scenes
    from salanet.training.compare import RESULT, Variant, compare, markdown, rivals
    from salanet.training.data import check_judged
    from salanet.training.data import scenes as training_scenes

    if arguments.seeds < 1:
        raise ConfigError(f"--seeds {arguments.seeds}: at least one run is needed")
    groups = {"all": tuple(OPERATORS), "everything": (*OPERATORS, *rivals())}
    names = [name for given in arguments.operators for name in groups.get(given, (given,))]
    variants = [Variant.parse(name) for name in names]
    recipe = arguments.settings
    folder = arguments.output or Path("runs") / f"compare-{Path(arguments.recipe).stem}"
    if arguments.dry_run:
        first = recipe.training.seed
        for seed in range(first, first + arguments.seeds):
            for variant in variants:
                place = variant.folder(folder, seed)
                started = (place / "checkpoint.pt").is_file()
                done = (place / RESULT).is_file()
                state = "complete" if done else "to be continued" if started else "to do"
                print(visible(f"{place}: {state}"))
        return
    train, _ = training_scenes(arguments.data, recipe)
    test = open_scenes(arguments.data, arguments.split)
    check_judged(train, test, recipe)
    table = compare(
        recipe,
        variants,
        arguments.seeds,
        train,
        test,
        folder,
        budget=duration(arguments.budget) if arguments.budget else None,
        console=messages(),
    )
    if arguments.json:
        print_json(table)
    else:
        for line in markdown(table).splitlines():
            results().print(line, soft_wrap=True)
        messages().print(
            f"tables: {folder}/compare.csv, compare.md and compare.tex", soft_wrap=True
        )
