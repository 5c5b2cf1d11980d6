"""Operators, networks, features and data sets of somebody's own, from `--import` to a cluster."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from registries import forget

from salanet import write
from salanet.cli.main import main
from salanet.datasets.town import town

Run = Callable[..., str]
MODULE = Path(__file__).parents[1] / "own_things.py"


@pytest.fixture(autouse=True)
def nothing_entered() -> Iterator[None]:
    forget()
    yield
    forget()


@pytest.fixture
def salanet(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command in which nothing is entered yet; gives what it prints, or its error."""

    def run(*arguments: object, ok: bool = True) -> str:
        forget()
        capsys.readouterr()
        code = main([*map(str, arguments)])
        said = capsys.readouterr()
        assert code == (0 if ok else 2), said.err
        return said.out if ok else said.err

    return run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Raw tiles, a module of somebody's, and scenes that it prepared in other processes."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "raw").mkdir()
    for seed in range(3):
        write(folder / "raw" / f"{seed}.laz", town(seed, size=20, density=4))
    shutil.copy(MODULE, folder / "my_things.py")
    arguments = ["mine", str(folder / "raw"), str(folder / "scenes"), "--workers", "2", "--json"]
    assert main(["prepare", *arguments, "--import", str(folder / "my_things.py")]) == 0
    forget()
    return folder


RECIPE = """
model: {{network: {network}, operator: {operator}, width: 8, features: [one, brightness]}}
sampling: {{shape: cylinder, sphere_radius: 8}}
training: {{epochs: 1, samples_per_epoch: 2, batch_size: 1, optimiser: adamw}}
"""


@pytest.fixture(scope="module", params=[("salanet", "mean_of_all"), ("alone", "''")], ids=str)
def trained(folder: Path, request: pytest.FixtureRequest) -> Path:
    network, operator = request.param
    recipe = folder / f"{network}.yaml"
    recipe.write_text(RECIPE.format(network=network, operator=operator))
    run = folder / network
    data = ["--data", folder / "scenes", "-o", run, "--accelerator", "cpu"]
    arguments = [*map(str, ["train", recipe, *data]), f"--import={folder / 'my_things.py'}"]
    assert main(arguments) == 0
    forget()
    return run / "best.safetensors"


def test_used_with_it(salanet: Run, folder: Path, trained: Path, tmp_path: Path) -> None:
    mine = ["--import", folder / "my_things.py"]
    scan, to = folder / "raw" / "2.laz", tmp_path / "o.laz"
    (report,) = json.loads(
        salanet("predict", scan, "-m", trained, "-o", to, "--keep", "none", "--json", *mine)
    )
    assert sum(report["classes"].values()) == report["points"] and to.is_file()
    streamed = tmp_path / "s.laz"
    more = ["--memory", "100MB", "--keep", "none"]
    salanet("predict", scan, "-m", trained, "-o", streamed, *more, *mine)
    assert streamed.read_bytes() == to.read_bytes()
    data = ["--data", folder / "scenes", "--split", "test"]
    assert 0 <= json.loads(salanet("evaluate", "-m", trained, *data, "--json", *mine))["oa"] <= 1


def test_without_it_the_module_is_named_and_not_imported(
    salanet: Run, folder: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where it could be: what a file names is somebody else's choice."""
    scan = folder / "raw" / "2.laz"
    arguments = ["predict", scan, "-m", trained, "-o", tmp_path / "o.laz"]
    monkeypatch.syspath_prepend(folder)
    said = salanet(*arguments, ok=False)
    assert "my_things" not in sys.modules
    assert said.count("\n") == 1 and "of the module 'my_things', which is not loaded" in said
    assert "--import MODULE" in said and not (tmp_path / "o.laz").exists()


def test_on_a_cluster(salanet: Run, folder: Path, trained: Path, tmp_path: Path) -> None:
    if trained.parent.name == "alone":
        pytest.skip("one of them is enough")
    pytest.importorskip("distributed")
    pytest.importorskip("cryptography")
    arguments = ["predict", folder / "raw" / "2.laz", "-m", trained, "--cluster", "--workers", "1"]
    mine = ["--import", folder / "my_things.py"]
    salanet(*arguments, "-o", tmp_path / "c.laz", *mine)
    salanet(*arguments[:4], "-o", tmp_path / "o.laz", *mine)
    assert (tmp_path / "c.laz").read_bytes() == (tmp_path / "o.laz").read_bytes()


def test_profile_and_compare(salanet: Run, folder: Path, tmp_path: Path) -> None:
    mine = ["--import", folder / "my_things.py"]
    profile = ["profile", "--operator", "mean_of_all", "--width", "8", "--json"]
    found = json.loads(salanet(*profile, *mine))
    assert "mean_of_all" in json.dumps(found)
    assert "unknown operator 'mean_of_all'" in salanet(*profile, ok=False)
    alone = ["profile", "--network", "alone", "--width", "8", "--json"]
    assert "alone" in salanet(*alone, *mine)
    recipe = folder / "compare.yaml"
    recipe.write_text(RECIPE.format(network="salanet", operator="sala"))
    names = ["mean_of_all", "mean_of_all:scale=2.0", "alone"]
    data = ["--data", folder / "scenes", "--seeds", "1", "-o", tmp_path / "runs"]
    told = salanet("compare", recipe, *data, "--json", "--operators", *names, *mine)
    assert {row["operator"] for row in json.loads(told)} == {*names}


PACKAGE = """
[salanet.operators]
mean_of_all = my_things:Mean
broken = nowhere_at_all:Thing
wrong = my_things:brightness

[salanet.networks]
alone = my_things:Alone

[salanet.features]
brightness = my_package:bright

[salanet.datasets]
mine = my_things:plan
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package that has entry points; it enters nothing itself."""
    info = tmp_path / "my_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(PACKAGE)
    text = MODULE.read_text().partition('OPERATORS["mean_of_all"]')[0]
    (tmp_path / "my_things.py").write_text(text)
    (tmp_path / "my_package.py").write_text(
        "from salanet.sampling.features import Feature\nfrom my_things import brightness\n"
        "bright = Feature(brightness, ('brightness',), ('intensity',))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("installed")
def test_entry_points(salanet: Run, folder: Path, trained: Path, tmp_path: Path) -> None:
    scan, to = folder / "raw" / "2.laz", tmp_path / "o.laz"
    salanet("predict", scan, "-m", trained, "-o", to)
    assert to.is_file()
    scenes = ["prepare", "mine", folder / "raw", tmp_path / "scenes", "--workers", "1", "--json"]
    assert json.loads(salanet(*scenes))["dataset"] == "Mine 1.0"
    profile = ["profile", "--width", "8", "--operator"]
    said = salanet(*profile, "broken", ok=False)
    assert "the operator 'broken' of my-package cannot be imported" in said
    assert "'wrong' is no operator: it has to be a class derived" in salanet(
        *profile, "wrong", ok=False
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("from salanet.operators import OPERATORS\nOPERATORS['sala'] = 3", "is there already"),
        ("from salanet.operators import OPERATORS\nOPERATORS['mine'] = 3", "is no operator: "),
        ("from salanet.operators import OPERATORS\nOPERATORS['a b'] = 3", "letters, digits"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("import nothing_like_that", "No module named 'nothing_like_that'"),
    ],
)
def test_modules_that_fail(salanet: Run, tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "bad_module.py"
    path.write_text(text)
    said = salanet("models", "--import", path, ok=False)
    assert said.count("\n") == 1 and reason in said and said.startswith("salanet models: ")


def test_modules_that_are_not_there(
    salanet: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "no such file to import" in salanet("models", "--import", "a.py", ok=False)
    assert "cannot be imported" in salanet("models", "--import", "nowhere_at_all", ok=False)
    assert "salanet models: " in salanet("models", "--import", ok=False)
    Path("json.py").write_text("")
    assert "is loaded already; rename" in salanet("models", "--import", "json.py", ok=False)
