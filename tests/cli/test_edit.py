"""`salanet edit` from the command line: what it prints, and what it refuses in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import salanet
from salanet.cli.edit import _given
from salanet.cli.main import main
from salanet.cloud import PointCloud
from salanet.errors import ConfigError


def test_it_tells_the_address_until_it_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "scan.ply"
    salanet.write(path, PointCloud(np.random.default_rng(0).random((50, 3))))

    def ended(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("http.server.ThreadingHTTPServer.serve_forever", ended)
    assert main(["edit", str(path), "--no-browser", "--classes", "tree=3"]) == 0
    out = capsys.readouterr().out
    assert "scan.ply: 50 points" in out and "http://127.0.0.1:" in out
    assert [*tmp_path.iterdir()] == [path], "nothing was done, nothing is left"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["none.laz"], "none.laz: no such file"),
        ([], "name at least one file"),
        (["scan.xyz", "other.xyz", "-o", "b.xyz"], "b.xyz"),
        (["scan.xyz", "--classes", "tree"], "write a name and a code, as in car=30"),
        (["scan.xyz", "--points", "few"], "'few' is no number of points"),
        (["scan.xyz", "--marks", "two words"], "cannot be the name of an attribute"),
        (["scan.xyz", "-o", "scan.xyz"], "is an input and would be overwritten"),
        (["scan.xyz", "--in-place", "-o", "c.xyz"], "--in-place has no other output"),
    ],
)
def test_refusals(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("scan.xyz", "other.xyz"):
        (tmp_path / name).write_text("0 0 0\n1 1 1\n")
    (tmp_path / "b.xyz").write_text("not a folder")
    assert main(["edit", *words, "--no-browser"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("salanet edit: ") and said in error and error.count("\n") == 1


def test_classes_are_names_and_codes() -> None:
    assert _given("ground=2, low car=30,none=-1") == {2: "ground", 30: "low car", -1: "none"}
    assert _given(None) == {}
    for text in ("=2", "a=", "a=b", "a=1.5", "a=99999999999", ","):
        with pytest.raises(ConfigError):
            _given(text)
