"""`salanet table` and the refusals of `salanet evaluate --folds`."""

from __future__ import annotations

from pathlib import Path

import pytest

from salanet.cli.main import main


def test_published_rows_alone_printed_and_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["table", "--layout", "ablations"]) == 0
    text = capsys.readouterr().out
    assert (
        "| paper | Hard Assignment | 64.0 | Table 3 | ablations/assignment-hard |" in text
        and "**ours**" not in text
    )
    output = tmp_path / "table.tex"
    arguments = ["--layout", "partnet", "--format", "latex", "-o", str(output)]
    assert main(["table", *arguments]) == 0
    assert capsys.readouterr().out == ""
    assert output.read_text().count("SALANet (C=") == 3


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["table", "none.json", "--layout", "s3dis"], "none.json: cannot be read"),
        (["table", "x.json", "--layout", "s3dis"], "x.json: is no result"),
        (["evaluate"], "give --model and --data, or --folds"),
        (["evaluate", "--folds", "x.json"], "two folds or more"),
        (["evaluate", "--folds", "x.json", "y.json", "--data", "."], "leave --model and --data"),
        (["evaluate", "-m", "m", "--data", ".", "--votes", "0"], "at least one"),
    ],
)
def test_mistakes_exit_with_2(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x.json").write_text("{}")
    assert main(arguments) == 2
    errors = capsys.readouterr().err
    assert message in errors and errors.count("\n") == 1
