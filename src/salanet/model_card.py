"""What a model file tells besides its architecture: what it is for, and how to use it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
)

Finite = Annotated[float, Field(allow_inf_nan=False)]


def _list(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


class ModelCard(BaseModel):
    """The metadata of a model, each entry of its type or as if it were not there.

    Further entries are kept as they are. docs/adding-a-model.md says who writes which.

    Attributes:
        domain: what scans it is for: "indoor", "airborne" or nothing.
        codes: the code each class is written as, in the order of the classes.
        colours: of the classes, three numbers each.
        spacing: metres between neighbouring points of the training data.
        cells: least and greatest cells in metres that it was trained on.
        optional: per-point arrays that it works without.
        intensity_scale: the intensity that became 1 in training.
        intensity: "own" if every scene's intensities have their own scale.
        temperature: that makes its confidence honest (`salanet.engine.confidence`).
        untold: what such scans hold that is none of its classes, and what it comes out as.
        recipe: that it was trained with.
        trained: figures of the training.
        training_data, licence, metrics: for people.
        origins: of what it needs beside the package, the module by name (`salanet.extensions`).
        text: data, licence, protocol and limits in Markdown; `card` in the file.
    """

    model_config = ConfigDict(extra="allow", frozen=True, strict=True, populate_by_name=True)

    domain: str = ""
    codes: list[int] | None = None
    colours: Any = None
    spacing: Finite | None = None
    cells: Annotated[list[Annotated[Finite, Field(gt=0)]] | None, BeforeValidator(_list)] = Field(
        default=None, min_length=2, max_length=2
    )
    optional: Annotated[list[str], BeforeValidator(_list)] = []
    intensity_scale: Finite | None = None
    intensity: str = "common"
    temperature: Annotated[Finite, Field(gt=0)] | None = None
    untold: str = ""
    recipe: dict[str, Any] = {}
    trained: Any = None
    training_data: Any = None
    licence: Any = None
    metrics: dict[str, Any] = {}
    origins: dict[str, str] = {}
    text: str = Field(default="", alias="card")

    @field_validator("*", mode="wrap")
    @classmethod
    def _or_absent(
        cls, value: Any, check: ValidatorFunctionWrapHandler, info: ValidationInfo
    ) -> Any:
        try:
            return check(value)
        except ValidationError:
            assert info.field_name is not None
            return cls.model_fields[info.field_name].get_default()

    @classmethod
    def of(cls, metadata: dict[str, Any]) -> ModelCard:
        return cls.model_validate(metadata)

    def metadata(self) -> dict[str, Any]:
        """The entries that were given, as a file has them."""
        return self.model_dump(by_alias=True, exclude_unset=True)


def document(text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The configuration and the metadata that a model file carries as JSON.

    Raises:
        ValueError: it is no JSON, or not of these two, or an entry is of another kind.
    """
    try:
        found = json.loads(text)
    except RecursionError:
        raise ValueError("its JSON is nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("its JSON is no object")
    for name in ("config", "metadata"):
        if not isinstance(found.get(name), dict):
            raise ValueError(f"its JSON has no object '{name}'")
    config, metadata = found["config"], found["metadata"]
    for key, (holds, wanted) in _FORMS.items():
        if metadata.get(key) is not None and not holds(metadata[key]):
            raise ValueError(f"'{key}' is {_short(metadata[key])}, not {wanted}")
    return config, metadata


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e300


def _code(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -(2**31) <= value < 2**31


def _codes(value: object) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and all(map(_code, value)))


def _colour(value: object) -> bool:
    return value is None or (isinstance(value, list) and len(value) == 3 and all(map(_code, value)))


def _colours(value: object) -> bool:
    found = list(value.values()) if isinstance(value, dict) else value
    return isinstance(found, list) and all(map(_colour, found))


def _names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


# Entries that decide how a cloud is labelled: a file in which one is damaged is no model.
_FORMS: dict[str, tuple[Callable[[object], bool], str]] = {
    "codes": (_codes, "a list of whole numbers within int32"),
    "colours": (_colours, "colours of three whole numbers"),
    "spacing": (_number, "a finite number"),
    "intensity_scale": (_number, "a finite number"),
    "optional": (_names, "a list of names"),
    "domain": (lambda value: isinstance(value, str), "a word"),
    "recipe": (lambda value: isinstance(value, dict), "an object"),
}
