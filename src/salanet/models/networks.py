"""Every network by the name its configuration calls it."""

from __future__ import annotations

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

NETWORKS: dict[str, type[Network]] = {
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


def create_network(config: ModelConfig, metadata: dict[str, object] | None = None) -> Network:
    """A freshly initialised network."""
    return NETWORKS[config.network](config, metadata)
