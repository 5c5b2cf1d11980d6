"""From the label codes of files to class indices, and back."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from salanet.errors import ConfigError, DataError
from salanet.yamlfile import read_yaml, shipped_folders

IGNORED = -1
CATCH_ALL = "*"
UNCLASSIFIED = 1  # ASPRS: what a class made of '*' alone writes

Code = int | Annotated[str, Field(pattern=r"^\*$")]
Channel = Annotated[int, Field(ge=0, le=255)]


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


class ClassMap(BaseModel):
    """Which codes of the source make up each class.

    In YAML::

        classes:
          ground: 2
          vegetation: [3, 4, 5]
          other: [1, "*"]     # every code that is not named
        ignore: [7, 18]       # neither learned nor counted
    partial:              # codes that only narrow it down, to one of these classes
      1: [vegetation, other]
        colours:
          ground: [170, 121, 66]

    or as text: ``ground=2,vegetation=3/4/5,other=1/*,ignore=7/18``.

    Attributes:
        classes: the codes of each class, in index order; ``*`` stands for all codes not named.
        ignore: codes that become -1.
        partial: codes of sources that know less: each stands for one of several classes, and is
            learned as their union.
        written: the code that a class is written as, where that is not its first.
        colours: red, green, blue of some classes, for display.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    classes: dict[str, Annotated[list[Code], BeforeValidator(_as_list), Field(min_length=1)]] = (
        Field(min_length=1)
    )
    ignore: Annotated[list[int], BeforeValidator(_as_list)] = Field(default_factory=list)
    partial: dict[int, Annotated[list[str], Field(min_length=2)]] = Field(default_factory=dict)
    written: dict[str, int] = Field(default_factory=dict)
    colours: dict[str, tuple[Channel, Channel, Channel]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _unambiguous(self) -> ClassMap:
        seen: dict[Code, str] = {}
        others = {"ignore": list(self.ignore), "partial": list(self.partial)}
        for name, codes in (self.classes | others).items():
            for code in codes:
                if code in seen:
                    raise ValueError(f"code {code} is given to both '{seen[code]}' and '{name}'")
                seen[code] = name
        for what, named in (("colour", self.colours), ("written code", self.written)):
            unknown = sorted(set(named) - set(self.classes))
            if unknown:
                raise ValueError(f"there is a {what} for '{unknown[0]}', but no such class")
        for code, names in self.partial.items():
            unknown = sorted(set(names) - set(self.classes))
            if unknown:
                raise ValueError(f"code {code} may be '{unknown[0]}', but there is no such class")
        return self

    @property
    def names(self) -> list[str]:
        """Class names in index order."""
        return list(self.classes)

    @property
    def codes(self) -> list[int]:
        """The code each class is written as: by default the first one; 1 for ``*`` alone."""
        return [
            self.written.get(
                name, next((code for code in codes if isinstance(code, int)), UNCLASSIFIED)
            )
            for name, codes in self.classes.items()
        ]

    @property
    def named(self) -> set[int]:
        """All codes that are given to a class by their number."""
        return {code for codes in self.classes.values() for code in codes if isinstance(code, int)}

    @classmethod
    def parse(cls, text: str | Path) -> ClassMap:
        """From a YAML file, a shipped one by its name such as ``ign-lidar-hd``, or from text.

        In text, ``ground=2,vegetation=3/4/5,other=*``.

        Raises ConfigError: no such file or name, not YAML, no class, one code in two classes.
        """
        text = str(text)
        is_file = "=" not in text or Path(text).is_file()
        content = _read_yaml(_find(text)) if is_file else _read_inline(text)
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            message = first["msg"].removeprefix("Value error, ")
            raise ConfigError(
                f"class map {text}: {place + ': ' if place else ''}{message}"
            ) from error

    def encode(self, labels: ArrayLike, where: str = "labels") -> NDArray[np.int16]:
        """Class index int16 (N,) of each source code (N,), -1 where ignored.

        Partial codes are numbered on after the classes, in the order of `partial`.

        Raises DataError for codes that are not in the map; names them, their counts, and `where`.
        """
        codes, inverse, unknown = self._look_up(labels)
        if unknown:
            said = ", ".join(f"{code} ({count:,} points)" for code, count in unknown.items())
            raise DataError(
                f"{where}: label {said} is not in the class map; give it to a "
                "class, put it under 'ignore', or give one class the catch-all '*'"
            )
        table = self._table()
        indices = [table.get(code, table.get(CATCH_ALL)) for code in codes]
        return np.array(indices, np.int16)[inverse]

    def split_unknown(self, labels: ArrayLike) -> tuple[NDArray[np.bool_], Counter[int]]:
        """Which of the codes (N,) the map knows, bool (N,), and the number of points of others."""
        codes, inverse, unknown = self._look_up(labels)
        return np.array([code not in unknown for code in codes], bool)[inverse], unknown

    def _look_up(self, labels: ArrayLike) -> tuple[list[int], NDArray[np.intp], Counter[int]]:
        """The different codes, which of them each point has, and points of those not in the map."""
        codes, inverse, counts = np.unique(
            np.asarray(labels).reshape(-1), return_inverse=True, return_counts=True
        )
        table = self._table()
        found = dict(zip(codes.tolist(), counts.tolist(), strict=True))
        known = found if CATCH_ALL in table else table
        return list(found), inverse, Counter({c: n for c, n in found.items() if c not in known})

    def decode(self, indices: ArrayLike) -> NDArray[np.int32]:
        """The code (N,) int32 that each class index (N,) >= 0 is written as."""
        codes: NDArray[np.int32] = np.array(self.codes, np.int32)[np.asarray(indices)]
        return codes

    def unions(self) -> list[list[int]]:
        """The class indices that each partial code may stand for, in the order of `partial`."""
        return [sorted(self.names.index(name) for name in names) for names in self.partial.values()]

    def _table(self) -> dict[Code, int]:
        table: dict[Code, int] = dict.fromkeys(self.ignore, IGNORED)
        for index, codes in enumerate(self.classes.values()):
            table |= dict.fromkeys(codes, index)
        table |= {code: len(self.classes) + i for i, code in enumerate(self.partial)}
        return table


def _find(text: str) -> Path:
    """The file of a class map; one of that name is preferred to a shipped one."""
    shipped = {path.stem: path for f in shipped_folders("classes") for path in f.glob("*.yaml")}
    path = Path(text)
    if path.suffix or path.name != text or path.is_file():
        return path
    if text not in shipped:
        raise ConfigError(
            f"there is no class map '{text}'; there is {', '.join(sorted(shipped))}, "
            "or give a YAML file, or text such as 'ground=2,building=6,other=*'"
        )
    return shipped[text]


def _read_yaml(path: Path) -> Any:
    try:
        content = read_yaml(path)
    except OSError as error:
        raise ConfigError(
            f"class map {path}: cannot be read ({error.strerror}); give a YAML file or "
            "text such as 'ground=2,building=6,other=*'"
        ) from error
    except ConfigError as error:
        raise ConfigError(f"class map {path}: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"class map {path}: must be a mapping with the key 'classes'")
    return content


def _read_inline(text: str) -> dict[str, Any]:
    classes: dict[str, list[Code]] = {}
    for item in text.split(","):
        name, codes = item.rpartition("=")[0].strip(), item.rpartition("=")[2].strip()
        if not name or not codes:
            raise ConfigError(f"class map: '{item.strip()}' is not of the form name=code")
        if name in classes:
            raise ConfigError(f"class map: '{name}' is given twice; write {name}=1/2 instead")
        try:
            classes[name] = [
                CATCH_ALL if code.strip() == CATCH_ALL else int(code) for code in codes.split("/")
            ]
        except ValueError as error:
            raise ConfigError(
                f"class map: '{codes}' of '{name}' must be whole numbers or '*', joined by '/'"
            ) from error
    ignore = classes.pop("ignore", [])
    return {"classes": classes, "ignore": ignore}
