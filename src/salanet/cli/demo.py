"""`salanet demo`: from raw files to a labelled file in a few minutes, with the usual commands."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import tyro

TRAIN_SEEDS, TEST_SEED = (1, 2, 3), 4


def main(argv: list[str]) -> None:
    tyro.cli(run, args=argv, prog="salanet demo", description=run.__doc__)


def run(folder: Path = Path("demo"), budget: str = "75s", size: float = 80.0) -> None:
    """Train on generated scans of a town and label another one.

    Writes LAZ files, prepares, trains, evaluates and predicts, showing each command.

    Args:
        folder: where everything goes; the models and scenes of an earlier demo are replaced.
        budget: time to train.
        size: side of the generated scans in metres.
    """
    from salanet.cli import evaluate, predict, prepare, train
    from salanet.cli.console import results
    from salanet.datasets.town import CLASSES, town
    from salanet.io import write

    console = results()

    def show(name: str, command: Callable[[list[str]], object], *arguments: str | Path) -> None:
        given = [str(argument) for argument in arguments]
        console.print(f"\n$ salanet {name} {shlex.join(given)}", style="bold", soft_wrap=True)
        command(given)

    scans, scenes, runs = folder / "scans", folder / "scenes", folder / "run"
    for old in (scenes, runs):
        shutil.rmtree(old, ignore_errors=True)
    scans.mkdir(parents=True, exist_ok=True)
    console.print(
        f"Generating {len(TRAIN_SEEDS) + 1} airborne scans of a small town in {scans}/",
        soft_wrap=True,
    )
    for seed in (*TRAIN_SEEDS, TEST_SEED):
        write(scans / f"town-{seed}.laz", town(seed, size=size))
    unseen, labelled = scans / f"town-{TEST_SEED}.laz", folder / f"town-{TEST_SEED}.labelled.laz"
    model = runs / "best.safetensors"

    show(
        "prepare", prepare.main, "files", scans, scenes,
        "--classes", CLASSES, "--grid", "0.4", "--test", unseen.stem,
    )  # fmt: skip
    show("train", train.main, "demo", "--data", scenes, "-o", runs, "--budget", budget)
    show("evaluate", evaluate.main, "-m", model, "--data", scenes, "-o", folder / "result.json")
    show("predict", predict.main, unseen, "-m", model, "-o", labelled)
    console.print(f"\nThe labelled scan is {labelled}; open it in any LAS viewer.", soft_wrap=True)
