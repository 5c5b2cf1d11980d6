"""Names of a package that are loaded when first used; those that moved, with a warning."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from functools import wraps
from importlib import import_module
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def lazily(package: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of a package whose names are in other modules.

    Args:
        names: the module of each, or ``module:name`` where it is called otherwise there.
    """

    def get(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        module, _, there = names[name].partition(":")
        return getattr(import_module(module), there or name)

    return get


def moved(package: str, to: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """As `lazily`, for a module that goes with the next version; `to` says where its names are."""
    warnings.warn(f"{package} is now {to}", DeprecationWarning, stacklevel=3)
    return lazily(package, names)


def renamed(old: str, new: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorates a function that takes a keyword by its former name too, with a warning."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def call(*arguments: P.args, **named: P.kwargs) -> R:
            if old in named:
                what = f"the argument '{old}' of {function.__name__} is now '{new}'"
                warnings.warn(what, DeprecationWarning, stacklevel=2)
                named[new] = named.pop(old)
            return function(*arguments, **named)

        return call

    return decorate
