"""A recipe: everything an experiment is made of, as short YAML that names only what differs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from tyro.constructors import PrimitiveConstructorSpec

from salanet.errors import ConfigError
from salanet.model_config import SCENE_NEIGHBOURS
from salanet.sampling.augment import Augmentation
from salanet.yamlfile import read_yaml, shipped_folders

# How the command line takes a mapping, whatever keys the recipe's own has: as YAML, in one word.
_AS_YAML = PrimitiveConstructorSpec[Any](
    nargs=1,
    metavar="YAML",
    instance_from_str=lambda given: _mapping(given[0]),
    is_instance=lambda value: isinstance(value, dict),
    str_from_instance=lambda value: [yaml.safe_dump(value, default_flow_style=True).strip()],
)
Options = Annotated[dict[str, Any], _AS_YAML]  # --operator-options '{groups: 4}'
Shares = Annotated[dict[str, Annotated[float, Field(ge=0)]], _AS_YAML]


def _mapping(text: str) -> dict[str, Any]:
    """Raises ValueError, which the command line tells with the option's name."""
    try:
        given = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"not readable YAML: {' '.join(str(error).split())}") from error
    if not isinstance(given, dict):
        raise ValueError("not a mapping such as '{groups: 4}'; names with * in quotes")
    return given


def _as_tuple(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Data(Section):
    """Which scenes are used.

    Attributes:
        train_split: folders of the training scenes below `--data`; one name may stand alone.
        val_split: folder of the validation scenes; where there is none, the last model counts as
            the best.
        dataset: what the training data is called in the model file.
    """

    train_split: Annotated[tuple[str, ...], BeforeValidator(_as_tuple)] = ("train",)
    val_split: str = "val"
    dataset: str = ""


class Model(Section):
    """The network; classes and grid come from the scenes.

    Attributes:
        network: architecture; the others than "salanet" come in one published size.
        operator: name of the local aggregation.
        operator_options: its own options, such as {groups: 4}.
        width: C, channels after the first residual block.
        features: input features by name.
        radius_cells: radius of the finest neighbourhoods, in cells of the scenes' grid.
        neighbours: K of the five levels.
        bn_momentum: momentum of the encoder's batch norms.
        grid: cell size of the finest level; None for that of the scenes, else see `Sampling.cells`.
        intensity: "common": one scale for all scenes; "own": that of each scene, and at use that of
            each file, as sensors have nothing in common.
    """

    network: str = "salanet"
    operator: str = "sala"
    operator_options: Options = Field(default_factory=dict)
    width: int = 36
    features: tuple[str, ...] = ("one", "rgb", "height")
    radius_cells: float = 2.5
    neighbours: tuple[int, int, int, int, int] = SCENE_NEIGHBOURS
    bn_momentum: float = 0.1
    grid: float | None = Field(default=None, gt=0)
    intensity: Literal["common", "own"] = "common"

    def architecture(self) -> dict[str, Any]:
        """The fields of `ModelConfig` that it decides by itself."""
        return self.model_dump(exclude={"features", "grid", "intensity"})


class Sampling(Section):
    """How training samples are cut out of the scenes.

    Attributes:
        shape: sphere, cylinder of infinite height (airborne scans), or the whole shape (PartNet).
        sphere_radius: in the scenes' units.
        max_points: the nearest to the centre are kept; bounds time and memory of a step.
        centres: "random" points, or "potentials" (places drawn least come first).
        balance: share of the centres placed on a class drawn uniformly, so that rare ones are
            seen more often; by potentials, where that class was seen least.
        cells: range of the cell size in metres, drawn for each sample; the scenes are finer. The
            geometry is then scaled to `Model.grid`, so that one network serves many densities;
            radius and jitter scale with it, heights and other features do not. Where the points of
            a scene are too sparse for it, so are the cells drawn.
        cell_spread: how much finer and coarser cells are drawn than a file of that density gets.
        shares: how often scenes whose name matches a pattern are drawn, times the square root of
            their number of points; 1 where no pattern matches. Empty: all points alike. Takes
            the place of the recipe's as a whole.
        mix: probability that two samples are put into one place (Mix3D).
    """

    shape: Literal["sphere", "cylinder", "whole"] = "sphere"
    sphere_radius: float = Field(default=2.0, gt=0)
    max_points: int = Field(default=15_000, ge=1)
    centres: Literal["random", "potentials"] = "random"
    balance: float = Field(default=0.0, ge=0, le=1)
    cells: tuple[float, float] | None = None
    cell_spread: tuple[float, float] = (0.85, 1.25)
    shares: Shares = Field(default_factory=dict)
    mix: float = Field(default=0.0, ge=0, le=1)

    @model_validator(mode="after")
    def _possible(self) -> Sampling:
        if self.cells and not 0 < self.cells[0] <= self.cells[1]:
            raise ValueError(f"cells must be two positive sizes in order, not {self.cells}")
        if not 0 < self.cell_spread[0] <= 1 <= self.cell_spread[1]:
            raise ValueError(f"cell_spread must be two factors around 1, not {self.cell_spread}")
        if self.centres == "potentials" and (self.cells or self.shares):
            raise ValueError("centres by potentials know neither cells nor shares")
        if self.shape == "whole" and self.cells:
            raise ValueError("whole shapes are not thinned to cells")
        if self.shape == "whole" and self.mix:
            raise ValueError("whole shapes are not mixed")
        return self


class Training(Section):
    """Optimisation; the defaults are those of S3DIS in the paper.

    Attributes:
        epochs: an epoch is `samples_per_epoch` samples.
        samples_per_epoch: spheres or cylinders of an epoch.
        batch_size: samples of a batch, per process.
        accumulate: batches per step; the step is that of one batch so many times as large.
        activation_checkpointing: keep only what enters each residual block and compute its inside
            again for the gradient: less memory, more time.
        optimiser: SGD with momentum 0.98, or AdamW.
        learning_rate: at the schedule's top, for the batch size given.
        weight_decay: for all weights.
        schedule: "exponential" (a tenth in `decay_epochs`), "cosine" to zero, "one-cycle" (cosine
            up during the first 30 %, cosine down to zero after), "steps", or "constant".
        decay_epochs: of the exponential schedule.
        milestones: of the schedule "steps": the epochs after which the rate falls to a tenth.
        warmup: share of the training during which the rate rises linearly from zero.
        clip: largest norm of the gradient; 0 = any.
        class_weights: "inverse-sqrt" weighs classes by 1 / sqrt(share of points),
            "effective-number" by (1 - β) / (1 - βⁿ) for n points and β = `effective_beta`.
        effective_beta: classes of far more than 1 / (1 - β) points weigh the same.
        label_smoothing: of the cross-entropy.
        lovasz: factor of the Lovász-softmax loss (a surrogate of 1 - mIoU) beside the
            cross-entropy.
        ema: decay per step of the weights' moving average, which is then what is validated and
            saved; 0 = no average.
        precision: of the network on a GPU.
        validate_every: epochs between validations on whole scenes.
        seed: all randomness follows from it.
    """

    epochs: int = Field(default=600, ge=1)
    samples_per_epoch: int = Field(default=2000, ge=1)
    batch_size: int = Field(default=8, ge=1)
    accumulate: int = Field(default=1, ge=1)
    activation_checkpointing: bool = False
    optimiser: Literal["sgd", "adamw"] = "sgd"
    learning_rate: float = Field(default=0.01, gt=0)
    weight_decay: float = Field(default=1e-3, ge=0)
    schedule: Literal["exponential", "cosine", "one-cycle", "steps", "constant"] = "exponential"
    decay_epochs: float = Field(default=200, gt=0)
    milestones: tuple[float, ...] = ()
    warmup: float = Field(default=0.0, ge=0, lt=1)
    clip: float = Field(default=10.0, ge=0)
    class_weights: Literal["none", "inverse-sqrt", "effective-number"] = "none"
    effective_beta: float = Field(default=0.9999, gt=0, lt=1)
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    lovasz: float = Field(default=0.0, ge=0)
    ema: float = Field(default=0.0, ge=0, lt=1)
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    validate_every: int = Field(default=5, ge=1)
    seed: int = Field(default=0, ge=0)

    def steps_per_epoch(self, processes: int = 1) -> int:
        return -(-self.samples_per_epoch // (self.batch_size * self.accumulate * processes))


class Recipe(Section):
    """Five sections, each with defaults; unknown keys are errors."""

    data: Data = Field(default_factory=Data)
    model: Model = Field(default_factory=Model)
    sampling: Sampling = Field(default_factory=Sampling)
    augmentation: Augmentation = Field(default_factory=Augmentation)
    training: Training = Field(default_factory=Training)

    @property
    def largest_batch(self) -> int | None:
        """Points of a process's largest batch; None where only the shapes tell."""
        if self.sampling.shape == "whole":
            return None
        return self.training.batch_size * self.sampling.max_points

    def dump(self) -> str:
        """The whole recipe, defaults included, as YAML."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)


def load_recipe(name_or_path: str | Path) -> Recipe:
    """Read a recipe by name (`ign-lidar-hd`, `ablations/groups-4`) or by path (`my/recipe.yaml`).

    With `base: s3dis-area5` it changes another recipe, named or given by a path beside its own:
    each value it gives replaces that of the base.

    Raises:
        ConfigError: there is no such recipe, or it holds something unknown or out of range; each
            offending key is named.
    """
    path = find_recipe(name_or_path)
    return parse_recipe(_read(path, ()), str(path))


def _read(path: Path, above: tuple[Path, ...]) -> dict[str, Any]:
    """The content of a recipe's file over that of its base; `above` are those it is a base of."""
    if path in above:
        raise ConfigError(f"{path}: base: a recipe cannot be its own base")
    try:
        content = read_yaml(path) or {}
    except (OSError, ConfigError) as error:
        raise ConfigError(f"{path}: not readable YAML ({error})") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: a recipe is a mapping with the sections {_sections()}")
    base = content.pop("base", None)
    if base is None:
        return content
    if not isinstance(base, str):
        raise ConfigError(f"{path}: base: the name or path of a recipe, not {base!r}")
    beside = path.parent / base
    merged = _read(beside if beside.is_file() else find_recipe(base), (*above, path))
    for section, values in content.items():
        known = merged.get(section)
        both = isinstance(known, dict) and isinstance(values, dict)
        merged[section] = known | values if both else values
    return merged


def parse_recipe(content: dict[str, Any], where: str) -> Recipe:
    """Check a recipe given as nested dictionaries; ConfigError as for `load_recipe`."""
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        raise ConfigError(f"{where}: {explain(error)}") from error


def changed(recipe: Recipe, settings: dict[str, Any]) -> Recipe:
    """The recipe with other values; ConfigError names what is unknown or out of range.

    Args:
        settings: by section, such as {"training": {"epochs": 20}}.
    """
    content = recipe.model_dump(mode="json")
    for section, values in settings.items():
        known = content.get(section)
        both = isinstance(known, dict) and isinstance(values, dict)
        content[section] = known | values if both else values
    return parse_recipe(content, "settings")


def explain(error: ValidationError) -> str:
    """pydantic's findings in one line."""
    found = []
    for item in error.errors():
        key = ".".join(map(str, item["loc"]))
        message = "unknown key" if item["type"] == "extra_forbidden" else item["msg"]
        given = "" if item["type"] == "extra_forbidden" else f", got {item['input']!r}"
        found.append(f"{key}: {message}{given}")
    return "; ".join(found)


def find_recipe(name_or_path: str | Path) -> Path:
    """The file of a recipe; ConfigError listing the shipped ones if there is none."""
    path = Path(name_or_path)
    if path.suffix in (".yaml", ".yml"):
        if path.is_file():
            return path
        raise ConfigError(f"{path}: no such recipe file")
    for folder in shipped_folders():
        if (folder / f"{path}.yaml").is_file():
            return folder / f"{path}.yaml"
    raise ConfigError(
        f"no recipe named '{path}'; there are {', '.join(recipe_names()) or 'none'}, "
        "or give the path of a .yaml file"
    )


def recipe_names() -> list[str]:
    """The shipped recipes, those of the ablations last."""
    found = {
        str(path.relative_to(folder).with_suffix(""))
        for folder in shipped_folders()
        for path in (*folder.glob("*.yaml"), *folder.glob("ablations/*.yaml"))
    }
    return sorted(found, key=lambda name: ("/" in name, name))


def _sections() -> str:
    return ", ".join(Recipe.model_fields)
