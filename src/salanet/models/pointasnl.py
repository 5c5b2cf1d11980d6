"""PointASNL (Yan et al., CVPR 2020)."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from salanet.model_config import ModelConfig
from salanet.models.layers import Dense
from salanet.models.network import Network, centred, clouds
from salanet.models.pointnet2 import interpolate, perceptron
from salanet.models.selection import farthest_points, nearest_neighbours
from salanet.pyramid import Level, Pyramid

# 8192 points -> 1024 -> 256 -> 64 -> 32.
RATIOS = (8, 4, 4, 2)
ABSTRACTION = ((32, 32, 64), (64, 64, 128), (128, 128, 256), (256, 256, 512))
ADAPTIVE = (8, 4, 0, 0)  # neighbours that move a sampled point
DECODING = ((512, 512), (256, 256), (256, 128), (128, 128, 128))
GROUP, DECODED = 32, 16  # neighbours in the encoder and in the decoder
HIDDEN = 32  # weights of a neighbour in a point convolution
# Points that must not crowd: the term's share of the loss, its reach and decay in cloud radii.
REPULSION, REACH, DECAY = 0.01, 0.07, 0.03
ROWS = 4096  # decoded at once at inference


class PointASNL(Network):
    """Farthest points that their neighbours move, and cells that see the whole cloud besides.

    Each of four abstractions takes farthest points, moves the first two times each and its
    features by attention among its 8 or 4 nearest (`AdaptiveSampling`), and adds up three views
    of it: a convolution over its 32 nearest, their maximum, and attention over all points of the
    finer level (`NonLocal`). Four decoders spread features back from the three nearest and
    convolve 16 neighbours; 128 channels, dropout 0.5, classes.

    Source: the paper (§3, supplement) and the authors' code yanx27/PointASNL at 5c28541, its
    `pointasnl_sem_seg`, which reads 8,192 points. With 3 input features and 13 classes that has
    22,428,329 parameters with the biases before its batch norms; here 22,419,739 without these,
    0.04 % less. (The code of the S3DIS results is not published; 66.6 on ScanNet are of a deeper
    variant, `pointasnl_sem_seg_res`, which is not here.)

    Deviations: coordinates are relative to the cloud's mean, in metres where the authors scale
    clouds to the unit ball; the term that keeps the moved points apart, 0.01 of the loss, is
    therefore measured in radii of the cloud. A share of the points takes the place of 1024, 256,
    64 and 32. Clouds of fewer points than neighbours repeat the nearest.

    The levels follow from the features, so the network searches them itself as it runs. Sampling
    begins at the first point: a permutation of the others permutes the result, and a translation
    changes it by rounding.
    """

    def __init__(self, config: ModelConfig, metadata: dict[str, object] | None = None) -> None:
        super().__init__(config, metadata)
        momentum = config.bn_momentum
        widths = [config.in_channels, *(widths[-1] for widths in ABSTRACTION)]
        self.down = nn.ModuleList(
            Abstraction(c, widths, near, momentum)
            for c, widths, near in zip(widths[:-1], ABSTRACTION, ADAPTIVE, strict=True)
        )
        self.repulsion = Repulsion()
        self.up = nn.ModuleList()
        below = widths.pop()
        for outputs in DECODING:
            self.up.append(Decoding(below, widths.pop(), outputs, momentum))
            below = outputs[-1]
        self.add_heads(
            lambda classes: nn.Sequential(
                Dense(below, 128, momentum=momentum), nn.Dropout(0.5), nn.Linear(128, classes)
            )
        )

    def embed(self, features: Tensor, pyramid: Pyramid) -> Tensor:
        given = pyramid.levels[0]
        points = centred(given.points, given.splits)
        levels = [Level(points, given.splits, given.radius, given.neighbours, given.pool)]
        skips = [features]
        for i, layer in enumerate(self.down):
            fine = levels[-1]
            if fine.pool is None:
                fine.neighbours, fine.pool = searched(fine, RATIOS[i])
            splits = kept(fine.splits, RATIOS[i])
            points, x = layer(fine, splits, skips[-1])
            levels.append(Level(points, splits, given.radius, given.neighbours[:0]))
            skips.append(x)
            if i == 0:
                self.repulsion(points, splits)
        out: Tensor = skips.pop()
        for decoding, i in zip(self.up, reversed(range(len(self.down))), strict=True):
            out = decoding(levels[i], levels[i + 1], out, skips.pop())
        return out

    def pyramid(self, points: Tensor, splits: Tensor | None = None) -> Pyramid:
        """One level: its 16 nearest neighbours, and as `pool` the 32 of its farthest points."""
        splits = torch.tensor([0, len(points)]) if splits is None else splits
        level = Level(points, splits, self.config.radius, torch.empty(0, 0, dtype=torch.int32))
        level.neighbours, level.pool = searched(level, RATIOS[0])
        return Pyramid([level])


class Abstraction(nn.Module):
    """Adaptive sampling and the local-nonlocal cell: (N, C) -> moved points (M, 3), (M, C')."""

    def __init__(
        self, channels: int, widths: tuple[int, ...], adaptive: int, momentum: float
    ) -> None:
        super().__init__()
        dense, out = partial(Dense, momentum=momentum), widths[-1]
        self.adaptive = adaptive
        self.adapt = AdaptiveSampling(3 + channels, momentum) if adaptive else None
        self.everywhere = NonLocal(channels, 3 + channels, out, momentum)
        self.skip = dense(6 + channels, out)
        self.local = perceptron(6 + channels, widths[:-1], momentum)
        self.convolve = PointConvolution(widths[-2], out, momentum)
        self.join = dense(out, out)

    def forward(self, fine: Level, splits: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        assert fine.pool is not None
        group = torch.cat([fine.points, features], dim=1)[fine.pool.long()]
        points, own = group[:, 0, :3], group[:, 0]
        if self.adapt is not None:
            points, own = self.adapt(group[:, : self.adaptive])
        offset = group[..., :3] - points[:, None]
        group = torch.cat([offset, group], dim=2)
        local = self.local(group.flatten(0, 1)).view(*group.shape[:2], -1)
        x = self.convolve(offset, local) + self.skip(group.amax(1))
        return points, self.join(x + self.everywhere(own, features, splits, fine.splits))


class AdaptiveSampling(nn.Module):
    """Points and features as means of their neighbours', by learned weights.

        z = attention among a group of [p_j - p_0, p_j, f_j],    w_j = softmax_j MLP(z_j)
        p' = Σ_j w_j0 p_j,    [p, f]'_c = Σ_j w_jc [p, f]_jc

    Shapes: groups (M, K, channels), coordinates first, the nearest (the sampled point) at 0
    -> (M, 3) and (M, channels).
    """

    def __init__(self, channels: int, momentum: float) -> None:
        super().__init__()
        dense = partial(Dense, momentum=momentum)
        inner = max(32, channels // 2)
        self.key_value = dense(3 + channels, 2 * inner, relu=False)
        self.query = dense(3 + channels, inner, relu=False)
        self.weigh = nn.Sequential(dense(inner, 32), dense(32, 1 + channels, relu=False))

    def forward(self, group: Tensor) -> tuple[Tensor, Tensor]:
        m, k, _ = group.shape
        offset = group[..., :3] - group[:, :1, :3]
        rows = torch.cat([offset, group], dim=2).flatten(0, 1)
        key, value = self.key_value(rows).view(m, k, -1).chunk(2, dim=2)
        seen = scaled_dot_product_attention(self.query(rows).view(m, k, -1), key, value)
        weight = self.weigh(seen.flatten(0, 1)).view(m, k, -1).softmax(dim=1)
        moved = (weight[..., :1] * group[..., :3]).sum(1)
        return moved, (weight[..., 1:] * group).sum(1)


class NonLocal(nn.Module):
    """Attention of every sampled point over all points of the level it is from.

        f'_i = ReLU BN(W Σ_j softmax_j(q_i · k_j / √d) v_j),    d = max(32, channels // 2)

    Shapes: sampled (M, sampled channels), features (N, channels) -> (M, out_channels).
    """

    def __init__(self, channels: int, sampled: int, out_channels: int, momentum: float) -> None:
        super().__init__()
        dense = partial(Dense, momentum=momentum)
        inner = max(32, channels // 2)
        self.key_value = dense(channels, 2 * inner, relu=False)
        self.query = dense(sampled, inner, relu=False)
        self.project = dense(inner, out_channels)

    def forward(self, sampled: Tensor, features: Tensor, of: Tensor, among: Tensor) -> Tensor:
        query = self.query(sampled)
        key, value = self.key_value(features).chunk(2, dim=1)
        # PyTorch's attention does not keep the scores of all pairs.
        seen = [
            scaled_dot_product_attention(
                query[q][None, None], key[s][None, None], value[s][None, None]
            )
            for q, s in zip(clouds(of), clouds(among), strict=True)
        ]
        out: Tensor = self.project(torch.cat([x[0, 0] for x in seen]))
        return out

    def macs_of(
        self, sampled: Tensor, features: Tensor, of: Tensor, among: Tensor
    ) -> tuple[int, int]:
        """Multiply-accumulates of the attention, beside those of the dense layers."""
        del sampled, features
        pairs = int((of.diff() * among.diff()).sum())
        both = 2 * pairs * self.query.linear.out_features
        return both, both


class PointConvolution(nn.Module):
    """Neighbours' features times learned functions of their place, summed (PointConv, 2019).

        f'_i = ReLU BN(W vec Σ_j f_j ⊗ m(p_j - p_i)),    m: 3 -> 32

    Shapes: offsets (M, K, 3), features (M, K, channels) -> (M, out_channels).
    """

    def __init__(self, channels: int, out_channels: int, momentum: float) -> None:
        super().__init__()
        self.weigh = Dense(3, HIDDEN, momentum=momentum)
        self.dense = Dense(channels * HIDDEN, out_channels, momentum=momentum)

    def forward(self, offset: Tensor, features: Tensor) -> Tensor:
        weight = self.weigh(offset.flatten(0, 1)).view(*offset.shape[:2], HIDDEN)
        out: Tensor = self.dense((features.transpose(1, 2) @ weight).flatten(1))
        return out


class Decoding(nn.Module):
    """Interpolation, a point convolution, and a perceptron that sees the finer features too."""

    def __init__(self, below: int, skip: int, widths: tuple[int, ...], momentum: float) -> None:
        super().__init__()
        self.convolve = PointConvolution(3 + below, widths[0], momentum)
        self.layers = perceptron(widths[0] + skip, widths[1:], momentum)

    def forward(self, fine: Level, coarse: Level, below: Tensor, skip: Tensor) -> Tensor:
        points, origin = fine.points, coarse.points.detach()
        three = nearest_neighbours(points.detach(), origin, 3, fine.splits, coarse.splits)
        target = Level(points.detach(), fine.splits, fine.radius, fine.neighbours, upsample=three)
        source = Level(origin, coarse.splits, fine.radius, fine.neighbours)
        rows = torch.cat([points, interpolate(target, source, below)], dim=1)
        # At inference a batch norm knows its statistics, and a slice at a time bounds the memory.
        step = max(1, len(rows)) if self.training else ROWS
        parts = []
        for near, own in zip(fine.neighbours.split(step), points.split(step), strict=True):
            group = rows[near.long()]
            parts.append(self.convolve(group[..., :3] - own[:, None], group))
        out: Tensor = self.layers(torch.cat([torch.cat(parts), skip], dim=1))
        return out


class Repulsion(nn.Module):
    """What keeps moved points apart: mean of r - d exp(-d²/h²) over the four nearest within r."""

    def __init__(self) -> None:
        super().__init__()
        self._term: Tensor | None = None

    def forward(self, points: Tensor, splits: Tensor) -> None:
        if not self.training:
            return
        near = nearest_neighbours(points.detach(), points.detach(), 5, splits, splits)[:, 1:]
        size = torch.cat(
            [points[r].detach().norm(dim=1).amax().expand(len(points[r])) for r in clouds(splits)]
        )
        present = near < len(points)
        other = points[near.long().where(present, 0)]
        square = (other - points[:, None]).square().sum(2) / size.square().clamp_min(1e-12)[:, None]
        square = square.where(present & (square < REACH**2), 0).clamp_min(1e-12)
        self._term = REPULSION * (REACH - square.sqrt() * (-square / DECAY**2).exp()).mean()

    def regularisation(self) -> Tensor:
        """The term, given out once per step."""
        term, self._term = self._term, None
        return torch.zeros(()) if term is None else term


def searched(level: Level, ratio: int) -> tuple[Tensor, Tensor]:
    """The neighbours of a level's points (N, 16) and of its farthest points (M, 32)."""
    points, splits = level.points.detach(), level.splits
    rows, coarse = farthest_points(points, splits, ratio)
    near = nearest_neighbours(points, points, DECODED, splits, splits)
    pool = nearest_neighbours(points[rows], points, GROUP, coarse, splits)
    return near.where(near < len(points), near[:, :1]), pool.where(pool < len(points), pool[:, :1])


def kept(splits: Tensor, ratio: int) -> Tensor:
    """Splits of the farthest points of a level."""
    sizes = splits.diff()
    return torch.cat([splits[:1], (sizes // ratio).clamp_min(1).minimum(sizes).cumsum(0)])
