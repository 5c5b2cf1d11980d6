"""Operators, networks, features and data sets of other people, under the names they gave them.

They come in two ways:

- an installed package names them in its entry points, of the groups `salanet.operators`,
  `salanet.networks`, `salanet.features` and `salanet.datasets`; each is imported when it is first
  asked for by its name;
- a module enters them itself when it is imported: ``OPERATORS["mine"] = Mine``. `use` imports it,
  and so does `--import MODULE` on the command line.

Nothing else imports anything: a file may say what it needs (`origins`), but not have it imported.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, MutableMapping
from functools import cached_property
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from salanet.errors import ConfigError

T = TypeVar("T")
NAME = re.compile(r"[A-Za-z_]\w*")
OURS = "salanet"

_used: list[str] = []


class Registry(MutableMapping[str, T]):
    """Things by name: ours, those of entry points, and those that somebody has entered.

    Iterating imports nothing; asking for a thing of an entry point imports that.

    Args:
        kind: what they are called in errors, such as "operator".
        known: ours.
        check: raises TypeError with the reason, unless something is of the kind.
    """

    def __init__(self, kind: str, known: dict[str, T], check: Callable[[Any], None]) -> None:
        self.kind, self._known, self._check = kind, dict(known), check
        self._own = frozenset(known)

    @cached_property
    def _points(self) -> dict[str, EntryPoint]:
        found = entry_points(group=f"{OURS}.{self.kind.replace(' ', '')}s")
        return {point.name: point for point in found if point.name not in self._own}

    def __getitem__(self, name: str) -> T:
        if name not in self._known and name in self._points:
            self[name] = self._loaded(self._points[name])
        return self._known[name]

    def __setitem__(self, name: str, thing: T) -> None:
        """Enter a thing; ConfigError for a name of ours, or a thing that is of another kind."""
        if not NAME.fullmatch(name):
            raise ConfigError(f"'{name}' cannot be the name of a {self.kind}: letters, digits, _")
        if name in self._own:
            raise ConfigError(f"the {self.kind} '{name}' is there already: choose another name")
        try:
            self._check(thing)
        except TypeError as error:
            raise ConfigError(f"'{name}' is no {self.kind}: {error}") from error
        self._known[name] = thing

    def __delitem__(self, name: str) -> None:
        if name in self._own:
            raise ConfigError(f"the {self.kind} '{name}' belongs to the package")
        del self._known[name]

    def __contains__(self, name: object) -> bool:
        return name in self._known or name in self._points

    def __iter__(self) -> Iterator[str]:
        yield from self._known
        yield from (name for name in self._points if name not in self._known)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def origin(self, name: str) -> str:
        """The module that a thing is from; "" for ours."""
        if name in self._own:
            return ""
        thing = self[name]
        module = str(getattr(thing, "origin", "") or thing.__module__)
        if module == "__main__":  # of a program, whose file another may import
            module = Path(getattr(sys.modules[module], "__file__", None) or module).stem
        return module

    def _loaded(self, point: EntryPoint) -> T:
        package = f" of {point.dist.name}" if point.dist else ""
        try:
            thing: T = point.load()
        except Exception as error:  # it is not our code
            why = f"{type(error).__name__}: {error}"
            text = f"the {self.kind} '{point.name}'{package} cannot be imported: {why}"
            raise ConfigError(text) from error
        return thing


def missing(kind: str, name: str, origins: Any) -> str:
    """What to say of a thing that a file needs and nobody has entered.

    Args:
        kind, name: of the thing.
        origins: the module of each by name, as the file says; it is said, and never imported.
    """
    module = origins.get(name) if isinstance(origins, dict) else None
    if not isinstance(module, str) or not module:
        return f"needs the {kind} '{name}', which this version has not, and nobody has entered"
    return (
        f"needs the {kind} '{name}' of the module '{module[:60]}', which is not loaded: import it "
        "first, if you trust it"
    )


def use(name: str | Path) -> ModuleType:
    """Import a module that enters things of its own: an installed one, or a .py file.

    Raises ConfigError if there is none, it fails, or its name is that of a module loaded already.
    """
    text = str(name)
    path = Path(text)
    is_file = path.suffix == ".py"
    if not is_file and not all(NAME.fullmatch(part) for part in text.split(".")):
        raise ConfigError(f"'{text}' is no module: give its name, or the path of a .py file")
    try:
        module = _of_file(path) if is_file else import_module(text)
    except ConfigError:
        raise
    except Exception as error:  # it is not our code
        here = Path(*text.split(".")).with_suffix(".py")
        missing = isinstance(error, ModuleNotFoundError) and error.name == text.split(".")[0]
        if missing and here.is_file():
            raise ConfigError(f"no module '{text}' is installed; the file is ./{here}") from error
        why = f"{type(error).__name__}: {error}"
        raise ConfigError(f"{text} cannot be imported: {why}") from error
    known = str(path.resolve()) if is_file else text
    if known not in _used:
        _used.append(known)
    return module


def used() -> tuple[str, ...]:
    """What `use` has imported, for other processes to import as well."""
    return tuple(_used)


def use_all(names: tuple[str, ...]) -> None:
    """Import what another process has."""
    for name in names:
        use(name)


def _of_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise ConfigError(f"{path}: no such file to import")
    name, path = path.stem, path.resolve()
    if not NAME.fullmatch(name):
        raise ConfigError(f"{path}: '{name}' cannot be the name of a module")
    loaded = sys.modules.get(name)
    if loaded is not None:
        if Path(getattr(loaded, "__file__", None) or "").resolve() == path:
            return loaded
        raise ConfigError(f"{path}: a module '{name}' is loaded already; rename the file")
    spec = spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None  # for a .py there is one
    module = module_from_spec(spec)
    sys.modules[name] = module  # where pickled things of it are looked for
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
