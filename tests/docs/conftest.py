"""The folder in which the pages' commands run."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pages
import pytest
from miniatures import write_partnet, write_s3dis, write_scannet
from registries import forget

from salanet.datasets.partnet import CATEGORIES
from salanet.datasets.town import town
from salanet.io import read, write

TILES = [f"77{x}_6277{y}" for x in ("050", "055", "060") for y in ("55", "60")]


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory, town_model: Path) -> Path:
    """Files of the names the pages use, made once."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "tiles").mkdir()
    for seed, name in enumerate(TILES):
        write(folder / "tiles" / f"{name}.laz", town(seed, size=20, density=6))
    scan = read(pages.ROOT / "docs" / "data" / "sample.laz")
    names = ("77060_627755.laz", "survey.laz", "scan.laz", "scan.las", "scan.ply", "corrected.laz")
    for name in names:
        write(folder / name, scan)
    x, y = scan.xyz[:, :2].min(axis=0)
    corners = f"{x} {y}, {x + 12} {y}, {x + 12} {y + 24}, {x} {y + 24}, {x} {y}"
    (folder / "checked.wkt").write_text(f"POLYGON(({corners}))")
    shutil.copy(town_model, folder / "model.safetensors")
    write_s3dis(folder, points=150)
    write_scannet(folder / "SCANNET")
    write_partnet(folder, categories=dict.fromkeys(CATEGORIES, 4), points=60)
    return folder


# Files that pages speak of: the Python block of a page that has this line.
OWN = {
    "my_operators.py": ("adding-an-operator.md", "class NearestThree(Operator):"),
    "my_networks.py": ("adding-a-model.md", "class Alone(Network):"),
    "my_data.py": ("adding-a-data-set.md", 'DATASETS["mine"] = plan'),
}


@pytest.fixture(autouse=True)
def nothing_entered() -> Iterator[None]:
    """What a page enters is known to that page alone."""
    yield
    forget()


@pytest.fixture
def workspace(files: Path, tmp_path: Path) -> Path:
    """A fresh copy of `files`, beside the recipes and the sample of the checkout."""
    folder = tmp_path / "work"
    shutil.copytree(files, folder)
    for name in ("recipes", "docs"):
        (folder / name).symlink_to(pages.ROOT / name)
    for name, (page, line) in OWN.items():
        (block,) = (b for b in pages.blocks(pages.ROOT / "docs" / page) if line in b.text)
        (folder / name).write_text(block.text)
    return folder
