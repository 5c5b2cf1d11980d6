"""KPConv: full weight matrices at kernel points, rigid or deformable (Thomas et al., ICCV 2019)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from salanet.operators.assignment import Influence, kernel_point_scores
from salanet.operators.base import Operator
from salanet.operators.kernel_points import kernel_points
from salanet.operators.norm import PointNorm
from salanet.ops.aggregation.weighted import Scores, grid_sum, offsets, squared_distances

# Queries whose (G, C) sums are held at once when no gradient is wanted.
CHUNK = 2048


class GridConvolution(nn.Module):
    """Kernel points and their weight matrices: out_i = Σ_g (Σ_j h(j, g) f_j) W_g [+ b]."""

    kernel_points: Tensor
    lr_multiplier = 1.0  # of the learning rate; read by `Network.parameter_groups`

    def __init__(
        self, in_channels: int, out_channels: int, points: int, extent: float, *, bias: bool
    ) -> None:
        super().__init__()
        self.register_buffer("kernel_points", (1.5 * extent * kernel_points(points)).float())
        self.weight = nn.Parameter(torch.empty(points, in_channels, out_channels))
        bound = (points * in_channels) ** -0.5
        nn.init.uniform_(self.weight, -bound, bound)
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None

    def forward(self, scores: Scores, neighbours: Tensor, features: Tensor) -> Tensor:
        weight = self.weight.flatten(0, 1)
        if torch.is_grad_enabled() or torch.compiler.is_compiling():
            out = grid_sum(scores, neighbours, features).flatten(1) @ weight
        else:
            out = features.new_empty(len(neighbours), weight.shape[1])
            for begin in range(0, len(neighbours), CHUNK):
                rows = slice(begin, begin + CHUNK)
                groups = None if scores.groups is None else scores.groups[rows]
                part = Scores(scores.values[rows], groups, scores.size)
                sums = grid_sum(part, neighbours[rows], features)
                out[rows] = sums.flatten(1) @ weight
        return out if self.bias is None else out + self.bias

    def macs(self, queries: int, k: int) -> int:
        points, inputs, outputs = self.weight.shape
        return queries * points * (k * (4 + inputs) + inputs * outputs)


class KPConv(Operator):
    """Rigid kernel point convolution.

        f'_i = ReLU(BN(Σ_g (Σ_j h(j, g) f_j) W_g)),    h(j, g) = max(0, 1 - |Δ_ij - x_g| / σ)

    Source: Thomas et al., "KPConv", eq. 1-3; the kernel points stand at a mean distance of 1.5 σ.

    Args:
        in_channels, out_channels, radius: see `Operator`.
        points: G, number of kernel points.
        extent: σ as a part of the radius (0.4: the cell size, where the radius is 2.5 cells).
        influence: "linear", "gaussian" or "constant", see `kernel_point_scores`.
        closest: each neighbour belongs to its nearest kernel point alone.
        slope: of the ReLU's negative side.
        bn_momentum: momentum of the running statistics.

    Shapes: queries (M, 3), supports (N, 3), neighbours (M, K), features (N, in_channels)
    -> (M, out_channels).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        radius: float,
        *,
        points: int = 15,
        extent: float = 0.4,
        influence: Influence = "linear",
        closest: bool = False,
        slope: float = 0.0,
        bn_momentum: float = 0.1,
    ) -> None:
        super().__init__(in_channels, out_channels, radius)
        self.extent = extent
        self.influence = influence
        self.closest = closest
        self.slope = slope
        self.convolution = GridConvolution(in_channels, out_channels, points, extent, bias=False)
        self.norm = PointNorm(out_channels, momentum=bn_momentum)

    def forward(
        self, queries: Tensor, supports: Tensor, neighbours: Tensor, features: Tensor
    ) -> Tensor:
        offset = offsets(queries, supports, neighbours, self.radius)
        scores = self.scores(offset, self.convolution.kernel_points)
        return self.activation(self.convolution(scores, neighbours, features))

    def scores(self, offset: Tensor, points: Tensor) -> Scores:
        return kernel_point_scores(
            offset, points, self.extent, self.influence, closest=self.closest
        )

    def activation(self, out: Tensor) -> Tensor:
        return nn.functional.leaky_relu_(self.norm(out), self.slope)

    def macs_per_neighbour(self, queries: int, supports: int, k: int) -> int:
        del supports, k  # The weights come after the sum over neighbours, in the original too.
        return queries * (self.convolution.weight.numel() + 2 * self.out_channels)

    def macs_executed(self, queries: int, supports: int, k: int) -> int:
        del supports
        return self.convolution.macs(queries, k) + queries * self.out_channels


class KPConvDeformable(KPConv):
    """Kernel point convolution whose kernel points move with the features of each query.

        Δx_i  = σ · (Σ_g (Σ_j h(j, g) f_j) V_g + v)                    (one offset per kernel point)
        f'_i  = ReLU(BN(Σ_g m_ig (Σ_j h̃(j, g) f_j) W_g)),    h̃ with x_g + Δx_ig in place of x_g

    m_ig = 1, or with `modulated` 2 · sigmoid of one more output of V. After a training step,
    `regularisation` keeps kernel points near neighbours and apart. The neighbours are those of the
    other operators, within `radius`; the original searches a wider ball here. Source: Thomas et
    al., "KPConv", eq. 4-8; the offsets start at zero and learn at a tenth of the rate.

    Args:
        modulated: whether each kernel point's sum is scaled, too.
        others: see `KPConv`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        radius: float,
        *,
        points: int = 15,
        extent: float = 0.4,
        influence: Influence = "linear",
        closest: bool = False,
        modulated: bool = False,
        slope: float = 0.0,
        bn_momentum: float = 0.1,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            radius,
            points=points,
            extent=extent,
            influence=influence,
            closest=closest,
            slope=slope,
            bn_momentum=bn_momentum,
        )
        self.modulated = modulated
        outputs = (4 if modulated else 3) * points
        self.offsets = GridConvolution(in_channels, outputs, points, extent, bias=True)
        nn.init.zeros_(self.offsets.weight)
        self.offsets.lr_multiplier = 0.1
        self._regularisation: Tensor | None = None

    def forward(
        self, queries: Tensor, supports: Tensor, neighbours: Tensor, features: Tensor
    ) -> Tensor:
        rigid = self.convolution.kernel_points
        offset = offsets(queries, supports, neighbours, self.radius)
        shift = self.offsets(self.scores(offset, rigid), neighbours, features)
        shift, modulation = shift.split([3 * len(rigid), shift.shape[1] - 3 * len(rigid)], dim=1)
        points = rigid + self.extent * shift.unflatten(1, (len(rigid), 3))
        scores = self.scores(offset, points)
        if self.modulated:
            scores = Scores(*self._modulate(scores, 2 * modulation.sigmoid()))
        if self.training and torch.is_grad_enabled():
            present = neighbours < len(supports)
            self._regularisation = self._fit(offset, points, present) + self._repulsion(points)
        return self.activation(self.convolution(scores, neighbours, features))

    def _modulate(self, scores: Scores, modulation: Tensor) -> tuple[Tensor, Tensor | None, int]:
        if scores.groups is None:
            return scores.values * modulation[:, None], None, scores.size
        factor = modulation.gather(1, scores.groups.squeeze(2).long())[..., None]
        return scores.values * factor, scores.groups, scores.size

    def _fit(self, offset: Tensor, points: Tensor, present: Tensor) -> Tensor:
        """Twice the mean squared distance, in extents, from kernel point to nearest neighbour."""
        square = squared_distances(offset, points) / self.extent**2
        nearest = square.where(present[..., None], torch.inf).amin(dim=1)
        return 2 * nearest.where(present.any(1, keepdim=True), 0).mean()

    def _repulsion(self, points: Tensor) -> Tensor:
        """How far kernel points of one query come closer than 1.2 extents; others stand still."""
        others = points.detach()
        apart = (points[:, :, None] - others[:, None]) / self.extent
        distance = (apart.square().sum(-1) + 1e-12).sqrt()
        count = points.shape[1]
        overlap = (1.2 - distance).clamp_min(0).square() * (
            1 - torch.eye(count, device=points.device)
        )
        return overlap.sum(2).mean(0).sum() / count

    def regularisation(self) -> Tensor:
        """The term to add to the loss for the latest forward pass of training; zero without one.

        It is given out once, so that no graph outlives its step.
        """
        term, self._regularisation = self._regularisation, None
        return self.norm.weight.new_zeros(()) if term is None else term

    def macs_per_neighbour(self, queries: int, supports: int, k: int) -> int:
        own = super().macs_per_neighbour(queries, supports, k)
        assert self.offsets.bias is not None
        return own + queries * (self.offsets.weight.numel() + self.offsets.bias.numel())

    def macs_executed(self, queries: int, supports: int, k: int) -> int:
        return super().macs_executed(queries, supports, k) + self.offsets.macs(queries, k)
