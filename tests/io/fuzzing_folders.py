"""Work folders of `salanet predict --memory` and prepared scenes, to be damaged and used."""

from __future__ import annotations

import json
import shutil
import tempfile
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

REAL = b"the identity of the run"  # stands for it: it tells where the input lies
SLASH = "%"  # in the names of seeds
VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 3, 2**31, 10**30, 1e308, float("nan"), float("inf"), "", "x", "\x1b[2J"),
    *(
        [],
        [[]],
        [None],
        [1, 2, 3],
        {},
        {"a": {}},
        ["a", "b"],
        ["b", "a"],
        [[1, 2, 3]] * 2,
        "9" * 5000,
    ),
)


def edit_json(data: bytes, rng: np.random.Generator) -> bytes:
    """One value of a document, at any depth, put for another, left out, or a key renamed."""
    try:
        document = json.loads(data)
    except ValueError:
        return data
    places = [*_places(document)]
    if not places:
        return data
    inside, key = places[rng.integers(len(places))]
    match rng.integers(4):
        case 0:
            del inside[key]
        case 1 if isinstance(inside, dict):
            inside[f"{key}2"] = inside.pop(key)
        case _:
            inside[key] = VALUES[rng.integers(len(VALUES))]
    return json.dumps(document).encode()


def _places(value: Any) -> Any:
    keys = (
        value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    )
    for key in [*keys]:
        yield value, key
        yield from _places(value[key])


class Killed(BaseException):
    pass


@lru_cache
def _labelling() -> tuple[Any, Path, bytes]:
    """A model, a scan, and the result of an undisturbed run."""
    import torch

    from salanet import write
    from salanet.datasets.town import town
    from salanet.models import create_model
    from salanet.sampling.features import width

    torch.manual_seed(0)
    names = ["one", "height_above_ground"]
    about = {"in_channels": width(names), "features": names, "classes": ["a", "b"], "grid": 0.5}
    model = create_model(**about, width=4, metadata={"intensity_scale": 1.0}).eval().fold()
    scan = Path(tempfile.mkdtemp(prefix="salanet-fuzz-")) / "scan.laz"
    write(scan, town(3, size=20, density=4))
    to = scan.with_name("whole.laz")
    _work(model, scan, to).run()
    return model, scan, to.read_bytes()


def _work(model: Any, scan: Path, to: Path, progress: Any = lambda *_: None) -> Any:
    from salanet.engine.opening import as_runner
    from salanet.io.stream import open_stream
    from salanet.labelling.memory import Plan
    from salanet.labelling.predict import PredictOptions
    from salanet.labelling.stream import Work

    options = PredictOptions(probabilities=True, resume=True)
    plan = Plan(chunk=700, group=500, tile=4_000_000)
    return Work(as_runner(model), open_stream(scan, to), to, options, plan, progress)


def make_work(folder: Path) -> None:
    """What a run leaves that is killed while it writes its result; one file per name."""
    from salanet.labelling.workfolder import IDENTITY, folder_of

    model, scan, _ = _labelling()
    to = scan.with_name("killed.laz")

    def kill(phase: str, *_: int) -> None:
        if phase == "write":
            raise Killed

    with suppress(Killed):
        _work(model, scan, to, kill).run()
    part = folder_of(to)
    for path in [path for path in part.rglob("*") if path.is_file()]:
        shutil.copy(path, folder / path.relative_to(part).as_posix().replace("/", SLASH))
    (folder / IDENTITY).write_bytes(REAL)
    shutil.rmtree(part)


def use_work(folder: Path) -> None:
    """Resume it: the result is the undisturbed one, or an error."""
    from salanet.labelling.workfolder import IDENTITY, folder_of

    model, scan, expected = _labelling()
    to = folder / "out.laz"
    work, part = _work(model, scan, to), folder_of(to)
    for path in [path for path in folder.iterdir() if path.is_file()]:
        place = part / path.name.replace(SLASH, "/")
        place.parent.mkdir(parents=True, exist_ok=True)
        path.rename(place)
    if (part / IDENTITY).is_file() and (part / IDENTITY).read_bytes() == REAL:
        (part / IDENTITY).write_text(json.dumps(work._identity()))
    work.run()
    assert to.read_bytes() == expected, "another result"
    assert not part.exists()


def use_scene(folder: Path) -> None:
    """Open it, look at it, and learn a batch of it."""
    from salanet.scenes import Scene
    from salanet.training import Recipe
    from salanet.training.task import SceneTask
    from salanet.view.sample import _of_scene

    scene = Scene.open(folder)
    assert scene.coord.shape == (len(scene), 3) and scene.offset.shape == (3,)
    assert scene.segment is None or scene.segment.shape == (len(scene),)
    _of_scene(scene, 20)
    features = ["one", "intensity", "rgb"]
    recipe = Recipe.model_validate(
        {
            "model": {"width": 4, "features": features[: 1 + 2 * (scene.color is not None)]},
            "sampling": {"sphere_radius": 5, "max_points": 100},
            "training": {"batch_size": 1, "samples_per_epoch": 1},
        }
    )
    task = SceneTask(recipe, [scene], [])
    task.weights(), task.absent()
    if np.isfinite(scene.coord).all():
        task.samples(task.model(), 0, 1).batch(0, 0)
