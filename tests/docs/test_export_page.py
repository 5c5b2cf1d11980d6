"""The snippets of docs/export.md on whatever scan.laz is: with colours, without, with nothing."""

from __future__ import annotations

from pathlib import Path

import pages
import pytest

import salanet
from salanet.cloud import PointCloud
from salanet.datasets.rooms import generate
from salanet.datasets.town import town

CLOUDS = {
    "town": lambda: town(9, size=24),
    "town, bare": lambda: PointCloud(town(9, size=24).xyz),
    "room": lambda: generate(3, points=20_000, sensor="tripod"),
    "room, no colours": lambda: PointCloud(generate(3, points=20_000, sensor="tripod").xyz),
}


@pytest.mark.parametrize("kind", CLOUDS)
def test_labelling_without_pytorch(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the shipped model for such a scan in the place of model.safetensors."""
    monkeypatch.chdir(tmp_path)
    cloud = CLOUDS[kind]()
    assert (cloud.rgb is not None) == (kind == "room")
    salanet.write(tmp_path / "scan.laz", cloud)
    domain = "rooms" if kind.startswith("room") else "aerial"
    salanet.save(salanet.load(domain), tmp_path / "model.safetensors")
    names: dict[str, object] = {}
    found = [b for b in pages.blocks(pages.ROOT / "docs" / "export.md") if b.language == "python"]
    assert "predict(salanet.read(" in found[0].text
    for block in found:
        exec(compile(block.text, f"export.md:{block.line}", "exec"), names)
        assert len(names["labels"]) == len(cloud)  # type: ignore[arg-type]
    read = names["cloud"]
    assert isinstance(read, PointCloud) and (read.rgb is not None) == (kind == "room")
