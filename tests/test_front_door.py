"""`import salanet`: what it offers, quickly, and without PyTorch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import salanet
from salanet.datasets.rooms import generate
from salanet.errors import ConfigError, DataError, MissingExtraError

# Everything a user does with a trained model, where there is no PyTorch and no SciPy.
WITHOUT = """
import sys
from importlib.machinery import PathFinder


class Bare(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name in ("torch", "scipy", "lightning_fabric", "onnxruntime"):
            return None
        return super().find_spec(name, path, target)


sys.meta_path[sys.meta_path.index(PathFinder)] = Bare
import salanet
from salanet.cli.main import main

folder, scan = sys.argv[1], sys.argv[2]
assert main(["predict", scan, "-o", folder + "/whole.ply", "--confidence"]) == 0
streamed = ["-m", "rooms-large", "-o", folder + "/stream.ply", "--memory", "100M"]
assert main(["predict", scan, *streamed]) == 0
assert "PIL" not in sys.modules, "pictures alone need it"
assert main(["view", scan, folder + "/whole.ply", "-m", "rooms", "--png", folder + "/v.png"]) == 0
assert main(["info", scan]) == main(["models"]) == main(["models", "rooms"]) == 0
assert main(["convert", scan, folder + "/scan.laz"]) == 0
assert main(["demo", "--folder", folder + "/demo", "--points", "20000", "--no-browser"]) == 0
assert salanet.segment("rooms", salanet.read(scan)).cells > 0
for command in (["export", "rooms"], ["profile"], ["train", "quick", "--data", folder],
                ["evaluate", "-m", "rooms", "--data", folder, "--protocol", "voting"]):
    assert main(command) == 2
assert not [m for m in sys.modules if m.startswith(("torch", "scipy"))]
"""


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("front") / "room.ply"
    salanet.write(path, generate(3, points=12_000))
    return path


def test_what_users_do_needs_no_torch(scan: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", WITHOUT, str(tmp_path), str(scan)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    missing = [line for line in done.stderr.splitlines() if "salanet[train]" in line]
    assert len(missing) == 4 and "Traceback" not in done.stderr
    whole, stream = (salanet.read(tmp_path / f"{name}.ply") for name in ("whole", "stream"))
    assert (whole.label == stream.label).mean() > 0.999  # in tiles


def test_every_name_is_there_and_documented() -> None:
    for name in salanet.__all__:
        found = getattr(salanet, name)
        assert callable(found) and found.__doc__, name
    assert {*salanet.__all__} <= {*dir(salanet)}
    with pytest.raises(AttributeError, match="no attribute 'label_all'"):
        _ = salanet.label_all


def test_models_and_view_are_functions_and_packages(scan: Path, tmp_path: Path) -> None:
    import salanet.models
    import salanet.view

    assert [entry.name for entry in salanet.models()] == [
        "aerial",
        "rooms-20",
        "rooms-large",
        "rooms",
    ]
    page = salanet.view(scan, generate(3, points=1000), to=tmp_path / "page.html", points=300)
    assert page.stat().st_size > 1000
    assert salanet.view(salanet.read(scan), to=tmp_path / "p.png").read_bytes()[1:4] == b"PNG"
    with pytest.raises(ConfigError, match=r"ends in \.html or \.png"):
        salanet.view(scan, to=tmp_path / "p.gif")


def test_files_are_opened_for_a_few_points_at_a_time(scan: Path, tmp_path: Path) -> None:
    whole = salanet.read(scan)
    salanet.write(tmp_path / "a.npz", whole)
    for path in (scan, tmp_path / "a.npz"):
        with salanet.open(path) as file:
            assert len(file) == len(whole) and "rgb" in file.names
            parts = [*file.clouds(5000)]
        assert [len(part) for part in parts] == [5000, 5000, len(whole) - 10_000]
        np.testing.assert_array_equal(np.concatenate([part.xyz for part in parts]), whole.xyz)
    assert salanet.info(scan).points == len(whole)


def test_label_several_files(scan: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.ply").write_bytes(scan.read_bytes())
    (tmp_path / "in" / "bad.ply").write_text("no cloud")
    good, bad = salanet.label(tmp_path / "in", tmp_path / "out", "rooms", confidence=True)
    assert not good.error and "bad.ply" in bad.error and sum(good.classes.values()) == good.points
    assert "confidence" in salanet.read(good.output).attributes
    with pytest.raises(salanet.SalaNetError, match=r"bad\.ply"):
        salanet.label(tmp_path / "in" / "bad.ply", tmp_path / "o.ply", "rooms")


def test_frames_of_a_sensor(scan: Path) -> None:
    cloud = salanet.read(scan)
    assert cloud.rgb is not None
    segmenter = salanet.Segmenter("rooms")
    xyz, rgb = cloud.xyz[:10_000].copy(), cloud.rgb[:10_000]
    xyz[::7] = np.nan
    flat = segmenter.segment(xyz, rgb=rgb, probabilities=True)
    frame = segmenter.segment(
        xyz.reshape(100, 100, 3), rgb=rgb.reshape(100, 100, 3), probabilities=True
    )
    assert frame.labels.shape == (100, 100) and (frame.labels.ravel() == flat.labels).all()
    assert (flat.labels[::7] == -1).all() and (flat.labels[1::7] >= 0).all()
    assert frame.probabilities is not None and flat.probabilities is not None
    assert frame.probabilities.shape == (100, 100, 13)
    np.testing.assert_array_equal(frame.probabilities.reshape(-1, 13), flat.probabilities)
    with pytest.raises(ConfigError, match=r"no argument 'probabilities'.*`segment` gives"):
        segmenter.predict(xyz, probabilities=True)
    with pytest.raises(ConfigError, match="no argument 'intensties': intensity"):
        segmenter.predict(xyz, intensties=xyz[:, 0])
    with pytest.raises(DataError, match="'rgb' has 50 values for 10000 points"):
        segmenter.predict(xyz.reshape(100, 100, 3), rgb=rgb[:5000].reshape(50, 100, 3))


def test_old_names_warn(monkeypatch: pytest.MonkeyPatch) -> None:
    old_names = {
        "salanet.edge": "Segmenter",
        "salanet.inference": "point_logits",
        "salanet.sampling.survey": "survey",
        "salanet.adapt.fit": "FitOptions",
        "salanet.labelling.strips": "kept_for",
    }
    for old, name in old_names.items():
        monkeypatch.delitem(sys.modules, old, raising=False)
        with pytest.warns(DeprecationWarning, match=f"{old} is now"):
            module = __import__(old, fromlist=[name])
            assert getattr(module, name)


def test_old_arguments_warn() -> None:
    cloud = salanet.PointCloud(np.random.default_rng(0).uniform(0, 4, (500, 3)))
    with pytest.warns(DeprecationWarning, match="'fit' of segment is now 'alignment'"):
        found = salanet.segment("rooms", cloud, fit=None)  # type: ignore[call-arg]
    assert (found.labels == salanet.segment("rooms", cloud, alignment=None).labels).all()


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("salanet._front.find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"salanet\[train\]"):
        salanet.train("quick", "scenes", "run")
    assert "sala" in salanet.list_operators()
