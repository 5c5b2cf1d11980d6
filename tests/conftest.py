"""Fixtures shared by all tests. Real scans are optional: what needs them skips with a reason."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    import torch

# Test processes outnumber cores; OpenMP threads that spin while they wait would starve them.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# In CI the same examples every time: a new one found there says nothing about the change tested.
settings.register_profile("ci", derandomize=True, deadline=None)
if os.environ.get("CI"):
    settings.load_profile("ci")

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox --use-angle=swiftshader --enable-unsafe-swiftshader --disable-gpu-sandbox "
    "--disable-background-networking"
)
SHARED_DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real scans, or a skip."""
    if not SHARED_DATA.is_dir():
        pytest.skip("real scans are not here: ../shared/data is absent")
    return SHARED_DATA


@pytest.fixture(scope="session")
def ign_tiles(shared_data: Path) -> Path:
    """The IGN LiDAR HD tiles, or a skip."""
    folder = shared_data / "ign-lidar-hd"
    if not folder.is_dir():
        pytest.skip("the IGN LiDAR HD tiles are absent")
    return folder


@pytest.fixture(scope="session")
def town_scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepared scenes of small generated towns, in train, val and test."""
    from salanet.datasets import files
    from salanet.datasets.classes import ClassMap
    from salanet.datasets.town import CLASSES, town
    from salanet.io import write

    root = tmp_path_factory.mktemp("town")
    for seed in range(4):
        write(root / f"town-{seed}.laz", town(seed, size=24))
    jobs = files.plan(sorted(root.glob("*.laz")), root / "scenes", val=["town-2"], test=["town-3"])
    files.prepare(jobs, files.Settings(ClassMap.parse(CLASSES), grid=0.5))
    return root / "scenes"


@pytest.fixture(scope="session")
def town_model(town_scenes: Path) -> Path:
    """A tiny model trained for a moment on `town_scenes` by the command line."""
    from salanet.cli.main import main

    recipe = town_scenes.parent / "tiny.yaml"
    recipe.write_text(
        "model: {width: 8, features: [one, intensity, returns, height_above_ground]}\n"
        "sampling: {shape: cylinder, sphere_radius: 8, balance: 0.5}\n"
        "training: {epochs: 20, samples_per_epoch: 12, batch_size: 2, validate_every: 10,\n"
        "  optimiser: adamw, learning_rate: 0.01, schedule: cosine, class_weights: inverse-sqrt}\n"
    )
    run = town_scenes.parent / "run"
    arguments = ["--data", str(town_scenes), "-o", str(run), "--accelerator", "cpu"]
    assert main(["train", str(recipe), *arguments]) == 0
    return run / "best.safetensors"


@pytest.fixture(scope="session")
def shaken() -> Callable[[torch.nn.Module], torch.nn.Module]:
    """Puts a module in evaluation mode, its batch norms as if trained: some scales negative."""
    import torch

    def shake(module: torch.nn.Module) -> torch.nn.Module:
        generator = torch.Generator().manual_seed(0)
        for norm in module.modules():
            if isinstance(norm, torch.nn.BatchNorm1d):
                norm.running_mean.normal_(0, 0.1, generator=generator)
                norm.running_var.uniform_(0.5, 1.5, generator=generator)
                norm.weight.data.uniform_(-1.5, 1.5, generator=generator)
                norm.bias.data.normal_(0, 0.3, generator=generator)
        return module.eval()

    return shake


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A real browser without a display, as playwright has it."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip("no Chromium is installed")
    with playwright.sync_playwright() as started:
        running = started.chromium.launch(executable_path=found, args=FLAGS.split())
        yield running
        running.close()
