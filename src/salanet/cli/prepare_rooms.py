"""`salanet prepare rooms DST`: generated scans of rooms, to train on without any data at hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from salanet.cli.parse import parse
from salanet.cli.prepare_benchmarks import Output, run

Sensor = Literal["tripod", "mobile", "handheld", "photogrammetry", "view"]


@dataclass
class Rooms(Output):
    """Generate furnished rooms, scan them, and write scenes with the classes of S3DIS.

    Writes DST/train, DST/val, DST/test and DST/manifest.json. The same numbers give the same
    rooms. Run it again to go on after an interruption, or with more rooms to add some.
    """

    rooms: int = 60
    """How many, those for validation and testing among them."""
    points: int = 400_000
    """Points of each scan, at most."""
    seed: int = 0
    """Another seed gives other rooms."""
    grid: float = 0.025
    """Cell size of the training scenes in metres; training draws larger cells from them."""
    test_grid: float = 0.04
    """Cell size of the scenes for validation and testing: that of the model."""
    test: int = 8
    """Rooms for testing: the first ones."""
    val: int = 4
    """Rooms for validation: the next ones."""
    sensors: tuple[Sensor, ...] = ("tripod", "mobile", "handheld", "photogrammetry", "view")
    """What scans them: drawn for each room, said by its name and its scene.json."""
    classes: Literal["s3dis", "scannet"] = "s3dis"
    """The thirteen classes of S3DIS or the twenty of ScanNet."""
    storeys: float = 0.0
    """Share of the scenes that are two to five rooms behind doors, of three times the points."""


def rooms(argv: list[str]) -> int:
    options = parse(Rooms, argv, "prepare rooms", ["prepare rooms scenes/ --rooms 200"])
    from salanet.datasets.rooms import scenes

    return run(
        options,
        lambda: scenes.plan(
            options.destination,
            rooms=options.rooms,
            points=options.points,
            seed=options.seed,
            grid=options.grid,
            test_grid=options.test_grid,
            val=options.val,
            test=options.test,
            sensors=options.sensors,
            labels=options.classes,
            storeys=options.storeys,
        ),
        lambda _: [],
    )
