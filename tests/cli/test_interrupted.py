"""Full disks and kill -9: inputs untouched, nothing partial under a final name, the next run
finishes and cleans up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from salanet import io
from salanet.cli.main import main
from salanet.cloud import PointCloud
from salanet.scenes import Scene, find_scenes, open_scenes

CLASSES = ("--classes", "ground=2,other=6")


def labelled(count: int, seed: int = 0) -> PointCloud:
    rng = np.random.default_rng(seed)
    label = rng.choice([2, 6], count).astype(np.int32)
    return PointCloud(rng.random((count, 3)) * 100, label=label)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 KB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("only root can mount a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def files_below(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.rglob("*") if p.is_file())


@pytest.mark.parametrize("suffix", io.WRITABLE)
def test_a_full_disk_stops_convert(
    small_disk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    source, target = tmp_path / "a.npz", small_disk / f"b{suffix}"
    io.write(source, labelled(60_000))
    before = source.read_bytes()
    io.write(target, labelled(3))
    assert main(["convert", str(source), str(target)]) == 2
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1 and f"{target}: cannot write: " in errors
    assert "No space left on device; free some space" in errors or "is the disk full?" in errors
    assert source.read_bytes() == before
    assert len(io.read(target)) == 3 and files_below(small_disk) == [target.name]


def test_a_full_disk_stops_prepare(
    small_disk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "tiles"
    source.mkdir()
    io.write(source / "a.npz", labelled(500))
    io.write(source / "b.npz", labelled(60_000))
    to = small_disk / "scenes"
    arguments = ["prepare", "files", str(source), str(to), *CLASSES, "--workers", "1"]
    assert main(arguments) == 2
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1 and "No space left on device; free some space" in errors
    assert str(to / "train" / "b") in errors
    assert [path.name for path in find_scenes(to)] == ["a"]
    assert not list(to.rglob(".*"))


def run(*arguments: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "salanet.cli.main", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def kill_while_writing(process: subprocess.Popen[bytes], folder: Path, wait: float) -> None:
    """kill -9 some time after the first temporary file or folder shows up."""
    patience = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < patience:
        if any(True for _ in folder.rglob(".*")):
            time.sleep(wait)
            break
        time.sleep(0.001)
    process.kill()
    process.wait()


def test_kill_9_during_prepare(tmp_path: Path) -> None:
    source, to = tmp_path / "tiles", tmp_path / "scenes"
    source.mkdir()
    for seed, name in enumerate("abc"):
        io.write(source / f"{name}.npz", labelled(150_000, seed))
    before = {path: path.read_bytes() for path in source.iterdir()}
    arguments = ("prepare", "files", source, to, *CLASSES, "--workers", "1")
    for wait in np.random.default_rng(0).uniform(0, 0.05, 2):
        kill_while_writing(run(*arguments), tmp_path, wait)
        for scene in to.glob("*/[!.]*"):  # whatever is there is whole
            assert len(Scene.open(scene).raw["segment"]) == 150_000
    assert main([str(a) for a in arguments]) == 0
    assert [scene.name for scene in open_scenes(to, "train")] == ["a", "b", "c"]
    assert not list(tmp_path.rglob(".*"))
    assert {path: path.read_bytes() for path in source.iterdir()} == before


@pytest.mark.parametrize("suffix", [".laz", ".csv"])
def test_kill_9_during_convert(tmp_path: Path, suffix: str) -> None:
    source, folder = tmp_path / "a.npz", tmp_path / "out"
    folder.mkdir()
    target = folder / f"b{suffix}"
    io.write(source, labelled(200_000))
    kill_while_writing(run("convert", source, target), folder, 0.02)
    assert not target.exists() or len(io.read(target)) == 200_000
    assert main(["convert", str(source), str(target)]) == 0
    assert len(io.read(target)) == 200_000 and files_below(folder) == [target.name]


@pytest.mark.parametrize(("how", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_polite_request_to_end_leaves_nothing(
    tmp_path: Path, how: signal.Signals, code: int
) -> None:
    source, folder = tmp_path / "a.npz", tmp_path / "out"
    folder.mkdir()
    io.write(source, labelled(400_000))
    # Processes in the background inherit that it is ignored.
    main_module = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    main_module += "import sys; from salanet.cli.main import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", main_module, "convert", str(source), str(folder / "b.csv")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    patience = time.monotonic() + 120
    while not any(folder.iterdir()) and time.monotonic() < patience:
        time.sleep(0.001)
    process.send_signal(how)
    said = process.communicate(timeout=120)[1]
    assert process.returncode == code, said
    assert said.count("\n") == 1 and said.startswith("salanet convert: "), said
    assert not files_below(folder)


def test_signals_are_as_they_were_afterwards() -> None:
    before = signal.getsignal(signal.SIGTERM)
    assert main(["info", "nowhere.laz"]) == 2
    assert signal.getsignal(signal.SIGTERM) == before
