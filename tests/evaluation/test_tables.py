"""Published rows agree with themselves, and ours stand beside them, never among them."""

from __future__ import annotations

import csv
import io
import re
import shlex
from pathlib import Path
from typing import Any, get_args

import pytest

from salanet.cli.table import Layout
from salanet.datasets import partnet, s3dis, scannet
from salanet.errors import ConfigError
from salanet.evaluation.tables import (
    ABLATIONS,
    LAYOUTS,
    PaperTable,
    published,
    render,
    with_results,
)
from salanet.models import create_model, new_config
from salanet.models.networks import NETWORKS
from salanet.models.profile import profile
from salanet.training import load_recipe

MEANS = ("OA", "mAcc", "mIoU", "mpIoU")
# Printed with a mean that is not that of its classes: 65.0, not 65.4.
EXCEPTIONS = {("s3dis", "KPConv (r) (14.1M) [24]")}
BY_CLASS = ("s3dis", "s3dis-6fold", "scannet", "partnet")


def split(table: PaperTable, values: tuple[float | None, ...]) -> tuple[float | None, list[Any]]:
    """The mean and the values of the classes."""
    named = dict(zip(table.columns, values, strict=True))
    mean = named.get("mIoU", named.get("mpIoU"))
    return mean, [value for name, value in named.items() if name not in MEANS]


@pytest.mark.parametrize("layout", BY_CLASS)
def test_classes_average_to_the_printed_mean(layout: str) -> None:
    table = published(layout)
    checked = 0
    for row in table.rows:
        mean, classes = split(table, row.values)
        if None in classes:
            continue
        checked += 1
        agrees = sum(classes) / len(classes) == pytest.approx(mean, abs=0.1)
        assert agrees == ((layout, row.method) not in EXCEPTIONS), row.method
    assert checked >= 6


@pytest.mark.parametrize(
    "layout, method, expected",
    [
        ("s3dis", "2 groups - SALANet (1.6M)", 67.6),
        ("s3dis-6fold", "2 groups - SALANet (1.6M)", 72.5),
        ("scannet", "2 groups - SALANet (1.6M)", 67.0),
        ("partnet", "2 groups - SALANet (C=36, 1.6M)", 49.4),
        ("partnet", "2 groups - SALANet (C=72, 6.4M)", 52.4),
        ("partnet", "2 groups - SALANet (C=90, 10M)", 53.1),
    ],
)
def test_the_papers_own_rows(layout: str, method: str, expected: float) -> None:
    table = published(layout)
    (row,) = [row for row in table.rows if row.method == method]
    mean, classes = split(table, row.values)
    assert mean == expected
    assert round(sum(classes) / len(classes), 1) == expected


def test_every_table_has_its_columns() -> None:
    assert get_args(Layout) == LAYOUTS
    assert [published(name).number for name in LAYOUTS] == [1, 2, 3, 4, 5, 6, 7, 8]
    for name in LAYOUTS:
        table = published(name)
        assert all(len(row.values) == len(table.columns) and not row.ours for row in table.rows)
        assert all(row.source == f"Table {table.number}" for row in table.rows)
    assert set(published("s3dis").columns) - set(MEANS) == set(s3dis.BENCHMARK.classes)
    assert set(published("scannet").columns) - set(MEANS) == set(scannet.BENCHMARK.classes)
    assert published("partnet").columns[1:] == tuple(partnet.CATEGORIES)
    assert [len(published(name).rows) for name in LAYOUTS] == [15, 5, 6, 12, 14, 9, 6, 13]
    with pytest.raises(ConfigError, match="no layout named 'x'; there are overview"):
        published("x")


# Whose printed number of parameters is of another task.
OTHERWISE = {"PointCNN (4.4M) [13]"}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_published_row_has_what_reruns_it(layout: str) -> None:
    """A recipe and options of `salanet train` that make a network of the printed size."""
    for row in published(layout).rows:
        name, *options = shlex.split(row.rerun, comments=True)
        recipe = load_recipe(name)
        fields = recipe.model.model_dump(
            include={"network", "operator", "operator_options", "width"}
        )
        given = dict(zip(options[::2], options[1::2], strict=True))
        fields |= {option.removeprefix("--"): value for option, value in given.items()}
        assert fields["network"] in NETWORKS, row.method
        config = new_config(in_channels=5, classes=tuple("abcdefghijklm"), **fields)
        printed = re.search(r"([\d.]+)M\)", row.method)
        if printed and row.method not in OTHERWISE:
            assert profile(config).parameters / 1e6 == pytest.approx(float(printed[1]), rel=0.06)


def test_reruns_say_what_is_not_as_published() -> None:
    rows = {row.method: row.rerun for row in published("overview").rows}
    assert rows["PointCNN [13]"] == "s3dis-area5 --network pointcnn"
    assert rows["PointNet++ [20]"] == "scannet --network pointnet2"
    assert rows["RandLANet [5]"] == "s3dis-area1 --network randlanet"
    assert "# its operator in the shared U-Net" in rows["SegGCN [9]"]
    assert all(row["rerun"] == "" for row in ours("s3dis", AREA5))


def test_summaries_repeat_the_class_tables() -> None:
    """The tables of the text have the figures of the supplement's, save for two rows."""
    overview = {row.method: row.values for row in published("overview").rows}
    ours = "2 groups - SALANet (1.6M)"
    for column, layout in enumerate(("s3dis", "s3dis-6fold", "scannet")):
        table = published(layout)
        (row,) = [row for row in table.rows if row.method == ours]
        assert overview[ours][column] == split(table, row.values)[0]
    full = {row.method: row.values[0] for row in published("partnet").rows}
    for row in published("partnet-summary").rows:
        if row.method in full:
            assert row.values[0] == full[row.method]


def scene_result(miou: float, classes: tuple[str, ...], **protocol: Any) -> dict[str, Any]:
    config = create_model(width=8, in_channels=5, classes=classes).config
    return {
        "miou": miou,
        "oa": 0.9,
        "macc": 0.8,
        "name": "sala (C=8)",
        "parameters": 412_345,
        "config": config.model_dump(mode="json"),
        "classes": {name: {"iou": None if i == 3 else i / 100} for i, name in enumerate(classes)},
        "protocol": {"name": "voting", "votes": 20, "points": "original"} | protocol,
    }


AREA5 = scene_result(0.5, s3dis.BENCHMARK.classes, split="Area_5")


def ours(layout: str, *results: dict[str, Any]) -> list[dict[str, str]]:
    files = [(Path(f"r{i}.json"), result) for i, result in enumerate(results)]
    table = with_results(published(layout), files)
    rows = list(csv.DictReader(io.StringIO(render(table, "csv"))))
    count = len(published(layout).rows)
    assert [row["whose"] for row in rows] == ["paper"] * count + ["ours"] * (len(rows) - count)
    return rows[count:]


def test_our_row_by_class() -> None:
    (row,) = ours("s3dis", AREA5)
    assert row["method"] == "sala (C=8) (0.41M)"
    assert (row["mIoU"], row["floor"], row["beam"], row["clutter"]) == ("50.0", "1.0", "-", "12.0")
    assert row["source"] == "r0.json (Area_5, voting, 20 votes)"


def test_runs_of_one_model_become_their_mean() -> None:
    other = AREA5 | {"miou": 0.6}
    (row,) = ours("s3dis", AREA5, other)
    assert row["mIoU"] == "55.0" and "r0.json, r1.json" in row["source"]
    assert "mean of 2 runs" in row["source"]
    assert len(ours("s3dis", AREA5, other | {"name": "kpconv (C=8)"})) == 2
    quick = other | {"protocol": other["protocol"] | {"votes": 1, "points": "cells"}}
    first, second = ours("s3dis", AREA5, quick)
    assert "mean" not in first["source"]
    assert second["source"] == "r1.json (Area_5, voting, 1 vote, on cells)"


def test_efficiency_and_ablations() -> None:
    (row,) = ours("efficiency", AREA5)
    assert float(row["GMACs"]) == pytest.approx(0.4, abs=0.3)
    assert row["mIoU"] == "50.0" and float(row["Memory (MB)"]) == pytest.approx(0.7, abs=0.5)
    for (key, value), name in ABLATIONS.items():
        config = AREA5["config"] | {"operator_options": {key: value}}
        (row,) = ours("ablations", AREA5 | {"config": config})
        assert row["method"] == f"{name} (0.41M)"
        assert name in {printed.method for printed in published("ablations").rows}


def test_overview_gathers_a_models_results() -> None:
    folds = [f"Area_{i}" for i in range(1, 7)]
    six = scene_result(0.7, s3dis.BENCHMARK.classes, folds=folds)
    rooms = scene_result(0.3, scannet.BENCHMARK.classes, split="test")
    (row,) = ours("overview", AREA5, six, rooms)
    assert [row[c] for c in published("overview").columns] == ["50.0", "70.0", "30.0"]
    assert row["source"].count(";") == 2
    (row,) = ours("s3dis-6fold", six)
    assert (row["OA"], row["mAcc"], row["mIoU"]) == ("90.0", "80.0", "70.0")


@pytest.mark.parametrize(
    "layout, result, message",
    [
        ("s3dis", AREA5 | {"protocol": {"name": "whole", "split": "Area_1"}}, "is of Area_1"),
        ("s3dis-6fold", AREA5, "not of all six areas"),
        ("scannet", AREA5, "other classes than Table 7"),
        ("partnet", AREA5, "Table 8 is of PartNet's shapes"),
        ("efficiency", AREA5 | {"config": None}, "configuration"),
        ("overview", {"classes": {}, "protocol": {"name": "whole"}}, "neither of S3DIS"),
        ("partnet", {"categories": {"Bed": {}}}, "has 1 of the 17 categories"),
    ],
)
def test_results_of_something_else_are_refused(
    layout: str, result: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        ours(layout, result)


def test_formats() -> None:
    table = with_results(published("s3dis"), [(Path("r_1.json"), AREA5)])
    markdown = render(table, "markdown").splitlines()
    assert markdown[0] == "**Semantic segmentation on S3DIS Area 5**"
    assert markdown[2].startswith("| whose | method | mIoU | ceiling |")
    lines = [line for line in markdown if line.startswith("|")]
    assert len(lines) == 2 + 14 + 1 and len({line.count("|") for line in lines}) == 1
    assert lines[-1].startswith("| **ours** | **sala (C=8) (0.41M)** | 50.0 | 0.0 |")
    assert "PosPool\\* (18.5M) [15]" in "\n".join(markdown)
    assert "measured with this software" in markdown[-1]
    latex = render(table, "latex").splitlines()
    assert latex[1] == rf"\begin{{tabular}}{{ll{'r' * 14}ll}}"
    rows = [line for line in latex if line.endswith(r" \\")]
    assert len(rows) == 1 + 14 + 1 and len({row.count(" & ") for row in rows}) == 1
    assert r"r\_1.json (Area\_5" in rows[-1]
    assert latex.index(rows[-1]) == latex.index(rows[-2]) + 2, "a rule before ours"
