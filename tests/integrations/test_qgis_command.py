"""What the QGIS plugin does without QGIS: arguments, progress, failures, cancelling."""

from __future__ import annotations

import configparser
import importlib.util
import json
import shlex
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

import salanet
from salanet.cli import predict as predict_command
from salanet.cli import refine as refine_command
from salanet.cli import smooth as smooth_command
from salanet.cli import terrain as terrain_command
from salanet.datasets.town import town
from salanet.io.area import Area

PLUGIN = Path(__file__).parents[2] / "integrations" / "qgis" / "salanet"
# The package that is tested, wherever it was imported from.
START = (
    f"import sys; sys.path.insert(0, {str(Path(salanet.__file__).parents[1])!r}); "
    "from salanet.cli.main import main; sys.exit(main())"
)
SALANET = [sys.executable, "-c", START]


@pytest.fixture(scope="module")
def command() -> ModuleType:
    spec = importlib.util.spec_from_file_location("qgis_command", PLUGIN / "command.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_arguments(command: ModuleType) -> None:
    found = command.label("a.laz", "b.laz")
    assert found == ["predict", "a.laz", "-o", "b.laz", "--keep", "auto", "--json"]
    found = command.label(
        "a.laz", "b.laz", model="aerial", keep="", area="c.wkt", confidence=True, regularise=True
    )
    assert shlex.join(found) == (
        "predict a.laz -o b.laz --keep auto -m aerial --within c.wkt --confidence --regularise "
        "--json"
    )
    found = command.smooth("a.laz", "b.laz", size=3, keep="9", area="c.wkt")
    text = "smooth a.laz -o b.laz --size 3 --keep 9 --within c.wkt --json"
    assert shlex.join(found) == text
    found = command.refine("a.laz", "m.safetensors", start="aerial", area="c.wkt")
    text = "refine a.laz --from aerial --within c.wkt -o m.safetensors --json"
    assert shlex.join(found) == text
    assert command.terrain("a.laz", "b.tif") == ["terrain", "a.laz", "-o", "b.tif", "--json"]
    assert command.terrain("a.laz", "b.tif", cell=0.5)[-3:] == ["--cell", "0.5", "--json"]


@pytest.mark.parametrize("name", ["predict", "smooth", "refine", "terrain"])
def test_the_commands_take_them(
    command: ModuleType, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each command understands what the plugin gives it."""
    modules = {
        "predict": predict_command,
        "smooth": smooth_command,
        "refine": refine_command,
        "terrain": terrain_command,
    }
    arguments = {
        "predict": command.label("a", "b", model="m", area="c", confidence=True, regularise=True),
        "smooth": command.smooth("a", "b", area="c"),
        "refine": command.refine("a", "b", start="m", area="c"),
        "terrain": command.terrain("a", "b", cell=2.0),
    }
    from salanet.cli.parse import parse

    seen: list[dict[str, object]] = []

    def parsed(function, argv, *more):  # type: ignore[no-untyped-def]
        import functools

        @functools.wraps(function)
        def take(*given: object, **options: object) -> int:
            del given
            seen.append(options)
            return 0

        return parse(take, argv, *more)

    monkeypatch.setattr(modules[name], "parse", parsed)
    assert not modules[name].main(arguments[name][1:])
    assert seen[0]["json"] is True


def test_areas(command: ModuleType) -> None:
    square = "Polygon ((0 0, 9 0, 9 9, 0 9, 0 0))"
    assert Area.read(command.area_text(square, "EPSG:2154")).epsg == 2154
    assert Area.read(command.area_text(square, "")).epsg is None
    assert Area.read(command.area_text(square, "USER:100001")).epsg is None


def test_progress_lines(command: ModuleType) -> None:
    assert command.progress_of("progress: a b.laz: network 42 %\n") == ("a b.laz: network", 42)
    assert command.progress_of("note: 42 %") is None


def run(command: ModuleType, arguments: list[str], program: list[str] = SALANET, **more):  # type: ignore[no-untyped-def]
    shown: list[tuple[str, int]] = []
    said: list[str] = []
    found = command.run(
        program,
        arguments,
        progress=lambda what, percent: shown.append((what, percent)),
        said=said.append,
        cancelled=more.get("cancelled", lambda: False),
    )
    return found, shown, said


def test_a_real_call(command: ModuleType, town_model: Path, tmp_path: Path) -> None:
    salanet.write(tmp_path / "a.laz", town(3, size=20))
    to = tmp_path / "b.laz"
    arguments = command.label(str(tmp_path / "a.laz"), str(to), model=str(town_model), keep="none")
    found, shown, _ = run(command, arguments)
    assert ("a.laz: network", 100) in shown and to.is_file()
    lines = command.summary(found)
    assert lines[0] == f"{len(salanet.read(to)):,} points"
    assert any(line.startswith("2 ground: ") for line in lines)


def test_failures(command: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(command.CommandError, match=r"none\.laz: no such file"):
        run(command, command.label(str(tmp_path / "none.laz"), str(tmp_path / "b.laz")))
    talks = [sys.executable, "-c", "print('no report')"]
    with pytest.raises(command.CommandError, match="printed no report"):
        run(command, [], talks)
    with pytest.raises(command.CommandError, match="ended with the code 3"):
        run(command, [], [sys.executable, "-c", "import sys; sys.exit(3)"])


def test_cancelling_ends_the_command(command: ModuleType, tmp_path: Path) -> None:
    mark = tmp_path / "tidied"
    program = (
        "import signal, sys, time, pathlib\n"
        f"signal.signal(signal.SIGTERM, lambda *_: (pathlib.Path({str(mark)!r}).touch(), "
        "sys.exit(1)))\n"
        "print('progress: a: b 1 %', file=sys.stderr, flush=True)\n"
        "time.sleep(600)\n"
    )
    begin, seen = time.monotonic(), []

    def cancelled() -> bool:
        seen.append(time.monotonic() - begin)
        return seen[-1] > 1.5

    with pytest.raises(command.Cancelled):
        run(command, [], [sys.executable, "-c", program], cancelled=cancelled)
    assert time.monotonic() - begin < 60
    assert mark.exists() or sys.platform == "win32"


def test_the_environment_is_not_that_of_qgis(
    command: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    text = "import json, os; print(json.dumps([os.environ.get('PYTHONHOME'), dict(os.environ)]))"
    found, _, _ = run(command, [], [sys.executable, "-c", text])
    assert found[0] is None and "PYTHONPATH" not in found[1]
    assert found[1]["SALANET_PROGRESS"] == "lines"


def test_where_the_command_is(
    command: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(command.SETTING, raising=False)
    with pytest.raises(command.CommandError, match="pip install salanet"):
        command.executable()
    made = tmp_path / "salanet"
    made.write_text("#!/bin/sh\n")
    made.chmod(0o755)
    assert command.executable() == [str(made)]
    monkeypatch.setenv(command.SETTING, str(made))
    assert command.executable(" ") == [str(made)]
    with pytest.raises(command.CommandError, match="no command 'other'"):
        command.executable("other")


def test_summary(command: ModuleType) -> None:
    report = [{"points": 1234, "changed": 5, "remarks": ["a"]}]
    found = ["1,234 points", "5 points changed their class", "note: a"]
    assert command.summary(report) == found and command.summary([]) == []
    assert command.summary({"files": [], "points": 7}) == ["7 points"]


def test_metadata() -> None:
    """QGIS refuses a plugin without these; the version is the package's."""
    parser = configparser.ConfigParser()
    parser.read(PLUGIN / "metadata.txt", encoding="utf-8")
    general = parser["general"]
    for name in ("name", "qgisMinimumVersion", "description", "about", "version", "author"):
        assert general[name]
    assert general["version"] == salanet.__version__
    assert general["hasProcessingProvider"] == "yes"
    assert json.dumps(general["about"])
