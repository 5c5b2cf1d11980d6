"""From words to the call of a command, and its help: what is said once, without empty defaults."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import tyro

T = TypeVar("T")
WORDS = {Path: "PATH", str: "TEXT", int: "N", float: "NUMBER"}
NOTHING = (None, (), "", False)  # defaults that need no mention


def parse(
    command: Callable[..., T],
    argv: Sequence[str],
    name: str,
    examples: Sequence[str] = (),
    **others: Any,
) -> T:
    """Call a command with options from the command line.

    Args:
        command: its parameters are the options, its docstring is the help.
        argv: the words after its name.
        name: of the command.
        examples: command lines to show in the help, without `salanet`.
        others: what `tyro.cli` takes besides, such as `default`, an instance of a class.
    """
    about = inspect.cleandoc(command.__doc__ or "").partition("\n\nArgs:")[0]
    if examples:
        about += "\n\nexamples:\n" + "\n".join(f"  salanet {line}" for line in examples)
    hints = get_type_hints(command, include_extras=True)
    for parameter in inspect.signature(command).parameters.values():
        hint = hints[parameter.name]
        kind = get_args(hint)[0] if get_origin(hint) is Annotated else hint
        if parameter.default in NOTHING or get_origin(kind) in (tuple, list):
            hints[parameter.name] = _without_default(hint)
        _say_once(getattr(others.get("default"), parameter.name, None))
    command.__annotations__ = hints
    done: T = tyro.cli(command, args=argv, prog=f"salanet {name}", description=about, **others)
    return done


def _say_once(model: Any) -> None:
    """No empty defaults in the help of a pydantic model; what it says is read from its docstring.

    Tyro would read it from the source, which takes half of the time of showing a help.
    """
    fields = getattr(type(model), "model_fields", None)
    if fields is None:
        return
    kind = type(model)
    hints = get_type_hints(kind, include_extras=True)
    for text in re.finditer(r"^    (\w[\w, ]*): (.*(?:\n {8,}.*)*)", _attributes(kind), re.M):
        for name in text[1].split(", "):
            fields[name].description = " ".join(text[2].split())
    for name, field in fields.items():
        value = getattr(model, name)
        nested = hasattr(type(value), "model_fields")
        about = inspect.cleandoc(type(value).__doc__ or "").partition("\n\n")[0]
        field.description = field.description or (about if nested else "")
        if value in (None, (), "", {}):
            hints[name] = _without_default(hints[name])
        _say_once(value)
    kind.__annotations__ = {name: hints[name] for name in fields}


def _attributes(kind: type) -> str:
    return inspect.cleandoc(kind.__doc__ or "").partition("Attributes:\n")[2]


def _without_default(hint: Any) -> Any:
    kind, *marks = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    metavar = _metavar(kind)
    shown: Any = tyro.conf.arg(help_behavior_hint="", metavar=metavar)
    for mark in marks:
        if type(mark) is type(shown):
            metavar = metavar or mark.metavar
            shown = dataclasses.replace(mark, help_behavior_hint="", metavar=metavar)
    others = [mark for mark in marks if type(mark) is not type(shown)]
    return Annotated[(kind, *others, shown)]


def _metavar(kind: Any) -> str | None:
    """What stands for the value of an option that may be left out."""
    if get_origin(kind) not in (Union, UnionType) or NoneType not in get_args(kind):
        return None
    words: list[str] = []
    for part in get_args(kind):
        if get_origin(part) is Literal:
            words += map(str, get_args(part))
        elif part is not NoneType:
            words.append(WORDS.get(part, str(part)))
    return "|".join(words)
