"""Labelled files as people have them: each trains, or one line says why not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import salanet
from salanet.cli.main import main
from salanet.scenes import open_scenes

CLASSES = "ground=2,building=6,ignore=1/255/-1"
TRAIN = ["--epochs", "1", "--samples-per-epoch", "1", "--batch-size", "1", "--width", "8"]
TRAIN += ["--features", "one", "height", "--accelerator", "cpu"]


def cloud(count: int = 600, offset: float = 0.0, spread: float = 8.0) -> salanet.PointCloud:
    rng = np.random.default_rng(count)
    xyz = rng.uniform(0, spread, (count, 3)) * [1, 1, 0.02]
    label = np.where(xyz[:, 0] > spread / 2, 6, 2).astype(np.int32)
    return salanet.PointCloud(xyz + offset, label=label)


def relabelled(label: NDArray[Any]) -> salanet.PointCloud:
    made = cloud(len(label))
    return salanet.PointCloud(made.xyz, label=label.astype(np.int32))


def repeated(one: salanet.PointCloud) -> salanet.PointCloud:
    assert one.label is not None
    return salanet.PointCloud(np.repeat(one.xyz, 3, axis=0), label=np.repeat(one.label, 3))


def run(folder: Path, clouds: list[salanet.PointCloud], classes: str = CLASSES) -> int:
    """Prepare the clouds, the last one to validate on, and take a step."""
    for i, one in enumerate(clouds):
        name = "val" if i == len(clouds) - 1 else f"train-{i}"
        salanet.write(folder / f"{name}.npz", one)
    files, scenes = sorted(folder.glob("*.npz")), folder / "scenes"
    options = ["--classes", classes, "--grid", "0.5", "--val", "val", "--workers", "1"]
    code = main(["prepare", "files", *map(str, files), str(scenes), *options])
    if code:
        return code
    return main(["train", "quick", "--data", str(scenes), "-o", str(folder / "run"), *TRAIN])


ODD = {
    "a class that training lacks": [relabelled(np.full(600, 2)), cloud()],
    "one class": [relabelled(np.full(600, 2)), relabelled(np.full(500, 2))],
    "scenes of a few points": [cloud(n, spread=3) for n in (1, 2, 3, 5, 14, 14)],
    "coordinates of ten million metres": [cloud(offset=1e7), cloud(offset=1e7)],
    "points three times over": [repeated(cloud()), cloud()],
    "one place": [salanet.PointCloud(np.full((900, 3), 5.0), label=np.full(900, 2)), cloud()],
    "points without company": [cloud(300, spread=2000), cloud(300, spread=2000)],
    "labels that mean none": [
        relabelled(np.where(np.arange(600) % 3, 2, 255)),
        relabelled(np.where(np.arange(600) % 3, 6, -1)),
    ],
}


@pytest.mark.parametrize("kind", ODD)
def test_it_trains(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, ODD[kind]) == 0
    said = capsys.readouterr().err
    assert "Traceback" not in said and "training mIoU" in said
    assert (tmp_path / "run" / "best.safetensors").is_file()
    if kind == "labels that mean none":
        [scene] = open_scenes(tmp_path / "scenes", "train")
        assert set(np.unique(scene.segment)) <= {-1, 0}
    if kind == "a class that training lacks":
        assert "no training point is 'building': it cannot be learned" in said


def test_codes_of_any_size(tmp_path: Path) -> None:
    clouds = [relabelled(np.tile([-7, 70000, 1 << 30], 200)) for _ in range(2)]
    assert run(tmp_path, clouds, "a=-7,b=70000,c=1073741824") == 0
    assert salanet.load(tmp_path / "run" / "best.safetensors").metadata["codes"] == [
        -7,
        70000,
        1 << 30,
    ]


@pytest.mark.parametrize(
    "label, message",
    [(np.full(600, 1), "every label is ignored"), (None, "has no labels")],
)
def test_a_file_without_labels_is_named(
    label: NDArray[Any] | None,
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bare = cloud() if label is not None else salanet.PointCloud(cloud().xyz)
    one = salanet.PointCloud(bare.xyz, label=label) if label is not None else bare
    assert run(tmp_path, [one, cloud()]) == 0  # the other one is learned
    printed = capsys.readouterr()
    said = printed.err + printed.out
    assert "train-0" in said and message in said


def test_without_validation_it_says_what_is_not_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    salanet.write(tmp_path / "one.npz", cloud())
    scenes, to = tmp_path / "scenes", tmp_path / "run"
    options = ["--classes", CLASSES, "--grid", "0.5", "--workers", "1"]
    assert main(["prepare", "files", str(tmp_path / "one.npz"), str(scenes), *options]) == 0
    assert main(["train", "quick", "--data", str(scenes), "-o", str(to), *TRAIN]) == 0
    said = capsys.readouterr().err
    assert "note: there is no validation split" in said and "training mIoU" in said
    assert "there is no validation data" in (to / "summary.md").read_text()
    assert salanet.load(to / "best.safetensors").metadata["validation"] is None
