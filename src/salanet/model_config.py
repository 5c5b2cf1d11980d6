"""What a network is built from, and nothing else."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from salanet.errors import ConfigError

# K per level of S3DIS and ScanNet (and the default), and of PartNet.
SCENE_NEIGHBOURS = (26, 31, 38, 41, 39)
PARTNET_NEIGHBOURS = (23, 38, 42, 40, 36)
MOST = 4096  # neighbours of a point: every point of every cloud takes room for as many

# Parts per category, the unlabelled part 0 included, of PartNet level 3.
PARTNET_PARTS = {
    "Bed": 15, "Bottle": 9, "Chair": 39, "Clock": 11, "Dishwasher": 7, "Display": 4, "Door": 5,
    "Earphone": 10, "Faucet": 12, "Knife": 10, "Lamp": 41, "Microwave": 6, "Refrigerator": 7,
    "StorageFurniture": 24, "Table": 51, "TrashCan": 11, "Vase": 6,
}  # fmt: skip


# Forms of an operator with a name of their own: the operator, and options that may be overruled.
PRESETS: dict[str, tuple[str, dict[str, Any]]] = {
    # Figure 3 to the letter: every W_g is a dense block, normalised before the maximum.
    "sala-paper": ("sala", {"norm": "neighbour"}),
    # What was better than that by measurement: docs/operators.md.
    "sala-next": ("sala", {"centre": True}),
}

# Networks of one published size: their `operator` and `width` (channels of the first stage).
PUBLISHED = {
    "gacnet": ("", 64),
    "kpfcnn": ("kpconv", 128),
    "pointasnl": ("", 64),
    "pointcnn": ("", 256),
    "pointnet": ("", 64),
    "pointnet2": ("", 64),
    "randlanet": ("", 32),
    "resgcn28": ("", 64),
    "spg": ("", 32),
}


class ModelConfig(BaseModel):
    """The architecture of a network.

    Attributes:
        network: "salanet", the U-Net all operators share; a rival of published size, one of
            `PUBLISHED`; or one of somebody's own (`salanet.extensions`). For rivals, `operator` and
            `width` say what they are, whatever was asked for; only KPFCNN can choose, "kpconv" or
            "kpconv_deformable".
        operator: name of the local aggregation, or one of `PRESETS`, which become the operator
            and its options.
        operator_options: its own options.
        width: C, channels after the first residual block.
        in_channels: d0, channels of the input features.
        features: names of the input features, in order (empty when the model is only profiled).
        classes: class names of a scene model.
        parts: number of parts by category, for a PartNet model with one head per category.
        grid: cell size of the finest level in metres.
        radius_cells: radius of the finest neighbourhoods, in cells.
        neighbours: K of each of the five levels.
        bn_momentum: momentum of the batch norms in the encoder.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    network: str = "salanet"
    operator: str = "sala"
    operator_options: dict[str, Any] = Field(default_factory=dict)
    width: int = Field(default=36, ge=2)
    in_channels: int = Field(ge=1)
    features: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    parts: dict[str, int] = Field(default_factory=dict)
    grid: float = Field(default=0.04, ge=1e-6, le=1e6)
    radius_cells: float = Field(default=2.5, ge=1e-2, le=1e2)
    neighbours: tuple[int, ...] = SCENE_NEIGHBOURS
    bn_momentum: float = Field(default=0.1, gt=0, le=1)

    @model_validator(mode="before")
    @classmethod
    def _preset(cls, values: Any) -> Any:
        name = values.get("operator") if isinstance(values, dict) else None
        if not isinstance(name, str) or name not in PRESETS:
            return values
        operator, options = PRESETS[name]
        options = options | (values.get("operator_options") or {})
        return values | {"operator": operator, "operator_options": options}

    @model_validator(mode="before")
    @classmethod
    def _published(cls, values: Any) -> Any:
        network = values.get("network", "salanet") if isinstance(values, dict) else "salanet"
        if network not in PUBLISHED:
            return values
        operator, width = PUBLISHED[network]
        chosen = values.get("operator")
        if network == "kpfcnn" and chosen == "kpconv_deformable":
            operator = chosen
        options = values.get("operator_options", {}) if chosen == operator else {}
        return values | {"operator": operator, "width": width, "operator_options": options}

    @model_validator(mode="after")
    def _check(self) -> ModelConfig:
        if (
            len(self.neighbours) != 5
            or not 1 <= min(self.neighbours) <= max(self.neighbours) <= MOST
        ):
            raise ValueError(f"neighbours needs five numbers, one per level, each from 1 to {MOST}")
        if bool(self.classes) == bool(self.parts):
            raise ValueError("a model has either classes or parts")
        return self

    @property
    def operator_name(self) -> str:
        """As `salanet compare` takes it: the operator and its options, `sala:norm=neighbour`."""
        options = ",".join(f"{name}={value}" for name, value in self.operator_options.items())
        return f"{self.operator}:{options}" if options else self.operator

    @property
    def radius(self) -> float:
        """Radius of the finest neighbourhoods in metres."""
        return self.radius_cells * self.grid


def new_config(**options: Any) -> ModelConfig:
    """A configuration from its fields.

    Raises:
        ConfigError: the configuration is impossible; the message names the field.
    """
    try:
        return ModelConfig(**options)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "model"
        raise ConfigError(f"{field}: {first['msg']}") from error
