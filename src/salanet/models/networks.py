"""Every network by the name its configuration calls it."""

from __future__ import annotations

from typing import Any

from salanet.errors import ConfigError
from salanet.extensions import Registry
from salanet.model_config import ModelConfig
from salanet.models.gacnet import GACNet
from salanet.models.kpfcnn import KPFCNN
from salanet.models.network import Network
from salanet.models.pointasnl import PointASNL
from salanet.models.pointcnn import PointCNN
from salanet.models.pointnet import PointNet
from salanet.models.pointnet2 import PointNet2
from salanet.models.randlanet import RandLANet
from salanet.models.resgcn28 import ResGCN28
from salanet.models.spg import SPG
from salanet.models.unet import SalaNet


def _check(thing: Any) -> None:
    if not (isinstance(thing, type) and issubclass(thing, Network)):
        raise TypeError("it has to be a class derived from salanet.models.Network")


_OWN: dict[str, type[Network]] = {
    "salanet": SalaNet,
    "gacnet": GACNet,
    "kpfcnn": KPFCNN,
    "pointasnl": PointASNL,
    "pointcnn": PointCNN,
    "pointnet": PointNet,
    "pointnet2": PointNet2,
    "randlanet": RandLANet,
    "resgcn28": ResGCN28,
    "spg": SPG,
}
# And those that others enter: `salanet.extensions`.
NETWORKS = Registry("network", _OWN, _check)


def create_network(config: ModelConfig, metadata: dict[str, object] | None = None) -> Network:
    """A freshly initialised network; ConfigError if nobody knows it."""
    if config.network not in NETWORKS:
        known = ", ".join(NETWORKS)
        raise ConfigError(f"unknown network '{config.network}'; known are {known}")
    return NETWORKS[config.network](config, metadata)
