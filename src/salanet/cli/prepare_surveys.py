"""`salanet prepare surveys DST`: generated airborne surveys, to train on without any data."""

from __future__ import annotations

from dataclasses import dataclass

from salanet.cli.parse import parse
from salanet.cli.prepare_benchmarks import Output, run


@dataclass
class Surveys(Output):
    """Generate landscapes, fly over them, and write scenes with the classes of `aerial`.

    Writes DST/train, DST/val, DST/test and DST/manifest.json. The same numbers give the same
    surveys. Run it again to go on after an interruption, or with more surveys to add some.
    """

    count: int = 60
    """How many, those for validation and testing among them."""
    seed: int = 0
    """Another seed gives other surveys."""
    grid: float = 0.1
    """Cell size of the subsampling in metres."""
    kinds: tuple[str, ...] = ()
    """Landscapes, in turn: terraces, villas, slabs, works, village, farmland, woods, coast,
    mountains, riverside. Default: all, by chance."""
    density: float | None = None
    """Pulses per m². Default: another for each survey, 0.5 to 40."""
    size: float | None = None
    """Side of the surveys in metres. Default: by the density, 70 to 260."""
    classes: str = "aerial"
    """Class map from ASPRS codes, that of the real scenes beside them."""
    test: int = 0
    """Surveys for testing: the first ones."""
    val: int = 0
    """Surveys for validation: the next ones."""


def surveys(argv: list[str]) -> int:
    from salanet.datasets.surveys import scenes

    options = parse(Surveys, argv, "prepare surveys", ["prepare surveys scenes/ --count 200"])
    return run(
        options,
        lambda: scenes.plan(
            options.destination,
            count=options.count,
            seed=options.seed,
            grid=options.grid,
            kinds=options.kinds,
            density=options.density,
            size=options.size,
            classes=options.classes,
            val=options.val,
            test=options.test,
        ),
        lambda _: [],
    )
