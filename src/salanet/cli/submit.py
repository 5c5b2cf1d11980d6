"""`salanet submit`: label ScanNet's scans for its benchmark server, or score such a submission."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from salanet.cli.evaluate import SCENE_VOTES
from salanet.cli.parse import parse
from salanet.errors import ConfigError, DataError, FileError

if TYPE_CHECKING:
    from salanet.models import Network
    from salanet.scenes import Scene


def main(argv: list[str]) -> None:
    parse(run, argv, "submit")


def run(
    submission: tyro.conf.Positional[Path],
    data: Path,
    model: Annotated[str | None, tyro.conf.arg(aliases=["-m"])] = None,
    split: str = "test",
    protocol: Literal["whole", "voting"] = "voting",
    votes: int | None = None,
    seed: int = 0,
    scans: Path | None = None,
    meshes: Path | None = None,
    device: str = "auto",
) -> None:
    """Write ScanNet's submission: a zip with SCAN.txt for each scan, one nyu40 id per vertex.

    The number of scans and of lines, and every id, are checked in the file as written. Without a
    model, an existing submission is checked, and scored where the scenes have labels: points of no
    class are left out, and predictions of no class are wrong.

    Args:
        submission: the zip to write, or to score.
        data: folder that `salanet prepare scannet` wrote.
        model: model file (.safetensors).
        split: which scenes.
        protocol: as in `salanet evaluate`.
        votes: passes whose logits are averaged. Default: 20 by voting, or 1.
        seed: of the augmented votes.
        scans: list of the scans there must be, such as scannetv2_test.txt.
        meshes: folder with the scans' _vh_clean_2.ply (scans_test), to check that the predictions
            are in the order of the vertices.
        device: auto, cpu, cuda.
    """
    from salanet.cli.console import load_model, messages
    from salanet.datasets import scannet
    from salanet.evaluation.submission import check_submission, write_submission
    from salanet.io.atomic import protect
    from salanet.scenes import open_scenes

    if model is not None:
        protect(submission, [model, scans])
    scenes = {scene.name: scene for scene in open_scenes(data, split)}
    expected = {name: _vertices(scene) for name, scene in scenes.items()}
    if scans is not None:
        _check_list(scans, set(scenes))
    elif len(scenes) != scannet.SCENES.get(split):
        messages().print(
            f"note: {len(scenes)} scans; the benchmark's {split} has "
            f"{scannet.SCENES.get(split, 'none')} (--scans scannetv2_{split}.txt checks them)",
            soft_wrap=True,
        )
    if meshes is not None:
        for scene in scenes.values():
            _check_order(scene, meshes)
    if model is not None:
        network = load_model(model, device)
        found = _predictions(network, list(scenes.values()), protocol, votes, seed)
        write_submission(submission, found, expected)
    codes = scannet.BENCHMARK.codes
    if model is None and all("segment" in scene.raw for scene in scenes.values()):
        _score(submission, scenes)
        return
    lines = check_submission(submission, expected, codes)
    messages().print(
        f"{submission}: {len(expected)} scans, {lines:,} lines, as the benchmark wants them",
        soft_wrap=True,
    )


def _predictions(
    network: Network, scenes: list[Scene], protocol: str, votes: int | None, seed: int
) -> Iterator[tuple[str, Any]]:
    import numpy as np

    from salanet.cli.console import messages
    from salanet.datasets import scannet
    from salanet.evaluation import Voting, Whole, to_points
    from salanet.evaluation.scenes import check_classes

    if network.config.classes != scannet.BENCHMARK.classes:
        raise ConfigError("the model does not know ScanNet's twenty classes in their order")
    if protocol == "voting":
        way: Voting | Whole = Voting.of(network, votes=votes or SCENE_VOTES, seed=seed)
    else:
        way = Whole(votes or 1)
    codes = np.array(scannet.BENCHMARK.codes)
    for scene in scenes:
        check_classes(network, scene)
        prediction = way.logits(network, scene).argmax(axis=1)
        messages().print(f"{scene.name}: {_vertices(scene):,} vertices", soft_wrap=True)
        yield scene.name, codes[prediction][to_points(scene)]


def _score(submission: Path, scenes: dict[str, Scene]) -> None:
    """ScanNet's rules on a submission of labelled scenes."""
    from salanet.cli.console import results
    from salanet.datasets import scannet
    from salanet.evaluation import Confusion, summary, table
    from salanet.evaluation.submission import class_of_ids, read_submission

    pooled = Confusion(scannet.BENCHMARK.classes)
    left = dict(scenes)
    for name, ids in read_submission(submission):
        scene = left.pop(name, None)
        if scene is None or len(ids) != _vertices(scene):
            raise FileError(submission, f"{name}.txt is not wanted, or has {len(ids)} lines")
        predicted = class_of_ids(ids, scannet.BENCHMARK.codes)
        pooled.add(scene.raw["segment"], predicted, may_miss=True)
    if left:
        raise FileError(submission, f"lacks {len(left)} scans, such as {min(left)}")
    results().print(table(pooled))
    results().print(summary(pooled))


def _vertices(scene: Scene) -> int:
    """Vertices of the scan's mesh."""
    from salanet.evaluation import to_points

    if "to_cell" not in scene.raw:
        raise FileError(scene.folder, "does not know the vertices of its mesh; prepare it again")
    return len(to_points(scene))


def _check_list(path: Path, names: set[str]) -> None:
    """Raise DataError unless the scenes are those of the list."""
    try:
        wanted = set(path.read_text(encoding="utf-8").split())
    except OSError as error:
        raise FileError(path, f"cannot be read ({error.strerror})") from error
    for problem, these in (("are missing", wanted - names), ("are not in it", names - wanted)):
        if these:
            raise DataError(f"{path}: {len(these)} scans {problem}, such as {min(these)}")


def _check_order(scene: Scene, meshes: Path) -> None:
    """Raise DataError unless each vertex of the mesh lies at the cell it takes its class from."""
    import numpy as np

    import salanet.io
    from salanet.datasets import scannet
    from salanet.evaluation import to_points

    found = sorted(meshes.rglob(scene.name + scannet.MESH))
    if not found:
        raise FileError(meshes, f"holds no {scene.name}{scannet.MESH}")
    xyz = salanet.io.read(found[0]).xyz
    if "axis_alignment" in scene.meta:
        matrix = np.array(scene.meta["axis_alignment"])
        xyz = xyz @ matrix[:3, :3].T + matrix[:3, 3]
    cells = to_points(scene)
    if len(xyz) != len(cells):
        raise DataError(f"{found[0]}: has {len(xyz)} vertices, but {scene.folder} {len(cells)}")
    distance = np.linalg.norm(xyz - scene.offset - scene.coord[cells], axis=1)
    assert scene.grid is not None
    far = np.flatnonzero(distance > np.sqrt(3) * scene.grid)
    if len(far):
        raise DataError(
            f"{found[0]}: vertex {far[0]} lies {distance[far[0]]:.2f} from the cell that lends it "
            f"its class; {scene.folder} has another order of vertices, prepare it again"
        )
