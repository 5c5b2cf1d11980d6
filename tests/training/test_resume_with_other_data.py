"""`--resume` goes on with what the run has learned, or says what differs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from salanet.errors import ConfigError
from salanet.scenes import open_scenes
from salanet.training import Recipe, Run, Trainer

RECIPE = Recipe.model_validate(
    {
        "model": {"width": 4, "features": ["one"]},
        "sampling": {"shape": "cylinder", "sphere_radius": 8, "max_points": 300},
        "training": {"epochs": 1, "samples_per_epoch": 2, "batch_size": 1, "validate_every": 1},
    }
)
LONGER = RECIPE.model_copy(update={"training": RECIPE.training.model_copy(update={"epochs": 2})})


def train(
    scenes: Path,
    run: Path,
    recipe: Recipe = LONGER,
    *,
    resume: bool = True,
    console: Console | None = None,
) -> Run:
    data = [open_scenes(scenes, split) for split in ("train", "val")]
    quiet = console or Console(quiet=True)
    return Trainer(recipe, *data, run, accelerator="cpu", console=quiet).train(resume=resume)


@pytest.fixture(scope="module")
def begun(town_scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("begun") / "run"
    return train(town_scenes, run, RECIPE, resume=False).folder


def again(begun: Path, folder: Path) -> Path:
    return Path(shutil.copytree(begun, folder / "run"))


def prepared_otherwise(scenes: Path, to: Path, **changes: object) -> Path:
    """The scenes with other values in their headers, their labels following the classes."""
    shutil.copytree(scenes, to)
    for path in to.rglob("scene.json"):
        meta = json.loads(path.read_text())
        classes = changes.get("classes")
        if isinstance(classes, list) and sorted(classes) == sorted(meta["classes"]):
            new = np.array([classes.index(name) for name in meta["classes"]], np.int16)
            segment = np.load(path.with_name("segment.npy"))
            np.save(path.with_name("segment.npy"), np.where(segment < 0, segment, new[segment]))
        path.write_text(json.dumps(meta | changes))
    return to


@pytest.mark.parametrize("old", [False, True], ids=["", "a checkpoint of earlier versions"])
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"classes": ["building", "shrub", "tree", "ground", "car"]},
            "with the classes in the order ground, shrub, tree, building, car, and the data have "
            "building, shrub, tree, ground, car; prepare them as they were",
        ),
        (
            {"classes": ["ground", "shrub", "tree", "house", "car"]},
            "with the classes ground, shrub, tree, building, car, and the data have ground, shrub",
        ),
        ({"grid": 0.25}, r"with the grid 0\.5, and the data have 0\.25"),
        ({"codes": [2, 4, 6, 5, 1]}, "with the codes 2, 4, 5, 6, 1, and the data have 2, 4, 6"),
    ],
)
def test_other_classes_order_or_grid(
    begun: Path, town_scenes: Path, tmp_path: Path, changes: dict[str, object], said: str, old: bool
) -> None:
    run = again(begun, tmp_path)
    if old:
        state, _ = Run(run).read_checkpoint()
        Run(run).save_checkpoint({k: v for k, v in state.items() if k not in ("learned", "recipe")})
    before = {path: path.read_bytes() for path in run.glob("*.[psj]*") if path.is_file()}
    other = prepared_otherwise(town_scenes, tmp_path / "scenes", **changes)
    with pytest.raises(ConfigError, match=said):
        train(other, run)
    assert {path: path.read_bytes() for path in before} == before, "nothing of the run is lost"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("run.json", b"", "run.json was damaged: written again"),
        ("run.json", b"[]", "run.json was damaged: written again"),
        ("run.json", b'{"data": {"training": [1], "validation": 2}}', "run.json was damaged"),
        ("run.json", b"\xff\0", "run.json was damaged"),
        ("recipe.yaml", b"\xff\xfe\0", ""),
        ("recipe.yaml", b"", ""),
        ("metrics.json", b"[1]", ""),
        ("metrics.csv", b"", ""),
        ("loggers.json", b"[]", ""),
        ("checkpoint.pt", b"", "is damaged; going on from the checkpoint before it"),
    ],
)
def test_damaged_files_of_a_run(
    begun: Path, town_scenes: Path, tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    whole = train(town_scenes, again(begun, tmp_path / "whole"))
    run = again(begun, tmp_path)
    (run / name).write_bytes(content)
    console = Console(record=True, quiet=False, file=(tmp_path / "log").open("w"), width=400)
    train(town_scenes, run, console=console)
    assert said in console.export_text()
    one, other = (Run(folder).read_checkpoint()[0]["model"] for folder in (whole.folder, run))
    assert all(torch.equal(tensor, other[key]) for key, tensor in one.items())
    assert "data" in json.loads((run / "run.json").read_text())
    assert "epochs: 2" in (run / "recipe.yaml").read_text()
