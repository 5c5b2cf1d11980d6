"""`salanet models`: what comes with the package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tyro

from salanet.cli.parse import parse

if TYPE_CHECKING:
    from salanet.model_file import Entry


EXAMPLES = (
    "models",
    "models aerial",
)


def main(argv: list[str]) -> None:
    parse(run, argv, "models", EXAMPLES)


def run(name: tyro.conf.Positional[str] = "", json: bool = False) -> None:
    """List the models that come with the package, or show the card of one.

    Args:
        name: the model whose card to show: data, licence, metrics, limits.
        json: print as JSON.
    """
    from salanet import model_file
    from salanet.cli.console import print_json, results

    if name:
        entry = model_file.find(name)
        if json:
            print_json(entry.record() | {"card": entry.text()})
        else:
            show(entry)
        return
    found = model_file.entries()
    if json:
        print_json([entry.record() for entry in found])
    elif found:
        show_all(found)
    else:
        results().print(
            f"{model_file.available()}; train one with `salanet train`, or see `salanet demo`"
        )


def show(entry: Entry) -> None:
    """Print the card of a model, or what its file says if it has none."""
    from salanet.cli.console import results

    console = results()
    card = entry.text()
    if card:
        from rich.markdown import Markdown

        for part in [Markdown(card)] if console.is_terminal else card.splitlines():
            console.print(part, soft_wrap=True)
        console.print()
    for key, value in entry.record().items():
        console.print(f"{key}: {in_words(value)}", soft_wrap=True)


def show_all(found: list[Entry]) -> None:
    """Print a table of models."""
    from rich.table import Table

    from salanet.cli.console import results

    table = Table()
    for column in ("name", "for", "works without"):
        table.add_column(column)
    for column in ("classes", "parameters", "cells", "file"):
        table.add_column(column, justify="right")
    for entry in found:
        record = entry.record()
        table.add_row(
            record["name"],
            record["domain"],
            ", ".join(record["optional"]).replace("_", " "),
            str(len(record["classes"])),
            f"{record['parameters']:,}",
            f"{record['grid']:g} m",
            f"{record['bytes'] / 1e6:.1f} MB",
        )
    results().print(table)
    results().print("salanet models NAME: classes, data, licence, figures and limits of one")


def in_words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {in_words(part)}" for key, part in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(in_words, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)
