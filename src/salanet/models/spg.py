"""Superpoint graphs (Landrieu and Simonovsky, CVPR 2018)."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn

from salanet.errors import ConfigError
from salanet.model_config import ModelConfig
from salanet.models.layers import Dense
from salanet.models.network import Partitioned, clouds
from salanet.models.superpoint_graph import EDGE_FEATURES, SuperpointPyramid, superpoint_graph
from salanet.operators.norm import PointNorm
from salanet.pyramid import Level, Pyramid
from salanet.sampling.partition import PartitionOptions, Superpoints, partition

WIDTH = 32  # of a superpoint's state
STEPS = 10


class SPG(Partitioned):
    """The cloud in parts of alike geometry, an embedding of each part, messages between parts.

        h_0 = PointNet(part),    h_{t+1} = GRU(mean of W_e h_t over edges e to the part, h_t),
        logits = W [h_0, …, h_10],    W_e = MLP(13 features of the edge), 32 × 32

    All points of a part get its logits. Parts come from `salanet.sampling.partition`; those of
    prepared scenes are kept with them. PointNet sees up to 128 points of a part: coordinates about
    its middle in its diameters, the input features, linearity, planarity, scattering and
    verticality, and the place in the cloud; a learned 2 × 2 matrix turns x and y first, the
    diameter joins after the maximum. Parts of fewer than 40 points start from zeros.

    Source: the paper and the authors' code loicland/superpoint_graph, its settings for S3DIS
    (`gru_10_0,f_13`, matrices as edge filters; 14 channels of a point, so 4 input features). That
    has 279,409 parameters; here 277,963 for 4 features and 13 classes, 0.5 % less: no biases
    before batch norms (-1,472), a scale and shift of the edge features (+26).

    Deviations: E of the partition is minimised by merging instead of cut pursuit, and its colours
    are left out, as in the authors' settings for Semantic3D, so that every cloud can be parted.
    Samples are pieces of scenes, not neighbourhoods in the graph, and cut parts at their border.
    The loss counts points, not parts. Edge features are normalised by a batch norm in place of
    the statistics of all training scenes; the drawn points are not drawn again for ten votes.
    SSP, the partition that is learned with supervision (Landrieu and Boussaha, CVPR 2019), is not
    here: the row "SSP+SPG" of the paper's tables is another network than this one.

    `operator_options` are those of `salanet.sampling.partition.PartitionOptions` (with `operator`
    empty). A permutation of the points permutes the result as long as no part has more than 128
    of them, and a translation changes it by rounding, unless rounding changes the partition.
    """

    pass_points = 65_536

    def __init__(self, config: ModelConfig, metadata: dict[str, object] | None = None) -> None:
        super().__init__(config, metadata)
        try:
            self.partition = PartitionOptions(**config.operator_options)
        except TypeError as error:
            raise ConfigError(f"operator_options of spg: {error}") from error
        momentum = config.bn_momentum
        self.embedding = PartNet(config.in_channels + 10, momentum)
        self.edge_norm = PointNorm(EDGE_FEATURES, momentum=momentum)
        self.filters = edge_filters(momentum)
        self.cell = GatedCell(WIDTH)
        self.add_heads(partial(nn.Linear, (STEPS + 1) * WIDTH))

    def embed(self, features: Tensor, pyramid: Pyramid) -> Tensor:
        assert isinstance(pyramid, SuperpointPyramid)
        graph = pyramid.graph
        kind = features.dtype
        own = torch.cat([features, graph.geometry.to(kind) - 0.5, graph.place.to(kind)], dim=1)
        seen = torch.cat([graph.local.to(kind), own.index_select(0, graph.rows)], dim=1)
        found = self.embedding(seen, graph.embedded, graph.diameter.to(kind))
        state = found.new_zeros(graph.count, WIDTH).index_copy(0, graph.owners, found)
        matrices = self.filters(self.edge_norm(graph.edge_features.to(kind))).view(-1, WIDTH, WIDTH)
        states = [state]
        for _ in range(STEPS):
            message = edge_convolution(states[-1], graph.edges, matrices)
            states.append(self.cell(message, states[-1]))
        return torch.cat(states, dim=1).index_select(0, graph.parts)

    def pyramid(
        self,
        points: Tensor,
        splits: Tensor | None = None,
        superpoints: Superpoints | None = None,
    ) -> Pyramid:
        """One level, and the graph among its parts.

        Args:
            points, splits: as ever.
            superpoints: parts and geometry of all points; found here where they are not known.
        """
        splits = torch.tensor([0, len(points)]) if splits is None else splits
        given = points.detach().cpu().numpy()
        pieces, partitions = [], []
        for rows in clouds(splits):
            cloud = given[rows]
            pieces.append(cloud)
            if superpoints is None:
                partitions.append(partition(cloud, self.partition))
            else:
                partitions.append(superpoints.of(rows))
        nobody = torch.empty(len(points), 0, dtype=torch.int32, device=points.device)
        level = Level(points, splits, self.config.radius, nobody)
        graph = superpoint_graph(pieces, partitions).to(points.device)
        return SuperpointPyramid(Pyramid([level]), graph)


class PartNet(nn.Module):
    """PointNet of parts: rows (R, channels), their parts (R,) and diameters (P, 1) -> (P, 32)."""

    def __init__(self, channels: int, momentum: float) -> None:
        super().__init__()

        def layers(*widths: int) -> nn.Sequential:
            pairs = pairwise(widths)
            return nn.Sequential(*(Dense(i, o, momentum=momentum) for i, o in pairs))

        self.turn_points = layers(channels, 64, 64, 128)
        self.turn_part = layers(128, 128, 64)
        self.turn = nn.Linear(64, 4)
        nn.init.zeros_(self.turn.weight)
        nn.init.zeros_(self.turn.bias)
        self.points = layers(channels, 64, 64, 128, 128, 256)
        self.part = layers(257, 256, 64)
        self.out = nn.Linear(64, WIDTH)

    def forward(self, rows: Tensor, parts: Tensor, diameter: Tensor) -> Tensor:
        count = len(diameter)
        turn = self.turn(self.turn_part(part_max(self.turn_points(rows), parts, count)))
        turn = turn.view(-1, 2, 2) + torch.eye(2, dtype=turn.dtype, device=turn.device)
        level = (rows[:, None, :2] @ turn.index_select(0, parts)).squeeze(1)
        rows = self.points(torch.cat([level, rows[:, 2:]], dim=1))
        whole = torch.cat([part_max(rows, parts, count), diameter], dim=1)
        logits: Tensor = self.out(self.part(whole))
        return logits


def part_max(rows: Tensor, parts: Tensor, count: int) -> Tensor:
    """Maximum over the rows of each part: (R, C) -> (count, C); every part has a row."""
    index = parts[:, None].expand_as(rows)
    return rows.new_zeros(count, rows.shape[1]).scatter_reduce(
        0, index, rows, "amax", include_self=False
    )


def edge_filters(momentum: float) -> nn.Sequential:
    """Edge features to the entries of a matrix: 13 -> 32, 128, 64 -> 32 · 32; orthogonal."""
    first, second = nn.Linear(EDGE_FEATURES, 32), nn.Linear(32, 128)
    third, last = Dense(128, 64, momentum=momentum), nn.Linear(64, WIDTH * WIDTH, bias=False)
    for linear in (first, second, third.linear):
        nn.init.orthogonal_(linear.weight, nn.init.calculate_gain("relu"))
    nn.init.orthogonal_(last.weight)
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), third, last)


def edge_convolution(states: Tensor, edges: Tensor, matrices: Tensor) -> Tensor:
    """Edge-conditioned convolution: the mean of h_source W_e over the edges e to each part.

    Shapes: states (S, C), edges (E, 2) from source to target, matrices (E, C, C) -> (S, C); zeros
    where no edge ends (Simonovsky and Komodakis, CVPR 2017, eq. 1).
    """
    source, target = edges.T
    sent = (states.index_select(0, source)[:, None] @ matrices).squeeze(1)
    total = torch.zeros_like(states).index_add(0, target, sent)
    degree = torch.bincount(target, minlength=len(states)).clamp_min(1)
    return total / degree[:, None].to(total.dtype)


class GatedCell(nn.Module):
    """GRU whose input passes a gate, with layer norms: message and state (S, C) -> (S, C).

    m = σ(V h) ⊙ message,    [r, z, n] = LN(W m),    [r', z', n'] = LN(U h)
    h' = n* + σ(z + z') ⊙ (h - n*),    n* = tanh(n + σ(r + r') ⊙ n')
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gate = nn.Linear(channels, channels)
        self.input = nn.Linear(channels, 3 * channels)
        self.hidden = nn.Linear(channels, 3 * channels)
        bound = channels**-0.5  # as every recurrent cell of PyTorch
        for linear in (self.input, self.hidden):
            for parameter in linear.parameters():
                nn.init.uniform_(parameter, -bound, bound)

    def forward(self, message: Tensor, state: Tensor) -> Tensor:
        message = torch.sigmoid(self.gate(state)) * message
        width = (self.input.out_features,)
        given = nn.functional.layer_norm(self.input(message), width)
        kept = nn.functional.layer_norm(self.hidden(state), width)
        (r, z, n), (r2, z2, n2) = given.chunk(3, dim=1), kept.chunk(3, dim=1)
        new = torch.tanh(n + torch.sigmoid(r + r2) * n2)
        return new + torch.sigmoid(z + z2) * (state - new)
