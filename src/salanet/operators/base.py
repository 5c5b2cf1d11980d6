"""What every local aggregation operator has in common.

The general form (paper eq. 1-3) is one grid aggregation with three free choices,

    f'_i = Σ_g R_{j ∈ N(i)} h(j, g) · W_g f_j,

an assignment h of neighbours to groups, the group weights W_g and a symmetric reduction R. An
operator is a choice of the three; all are drop-in replacements of each other.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from salanet.errors import ConfigError


class Operator(nn.Module, ABC):
    """A local aggregation from support points to query points.

    Args:
        in_channels: channels of the support features.
        out_channels: channels of the result.
        radius: radius of the neighbourhoods in metres; relative positions are divided by it.
    """

    def __init__(self, in_channels: int, out_channels: int, radius: float) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.radius = radius

    def require_equal_widths(self) -> None:
        """For operators that treat each channel by itself."""
        if self.in_channels != self.out_channels:
            raise ConfigError(
                f"{type(self).__name__} keeps the number of channels: "
                f"it cannot make {self.out_channels} of {self.in_channels}"
            )

    @abstractmethod
    def forward(
        self, queries: Tensor, supports: Tensor, neighbours: Tensor, features: Tensor
    ) -> Tensor:
        """Aggregate the features around each query point.

        Args:
            queries: float32 (M, 3).
            supports: float32 (N, 3).
            neighbours: int32 (M, K), rows of `supports`, nearest first; missing entries hold N.
            features: float32 (N, in_channels).

        Returns:
            float32 (M, out_channels).
        """

    @abstractmethod
    def macs_per_neighbour(self, queries: int, supports: int, k: int) -> int:
        """Multiply-accumulates counted the paper's way.

        Every weight is applied to every neighbour of full, padded lists; a dense layer costs its
        products and its bias, a batch norm two per element; gathers, sums and maxima are free
        (paper Table 2, the convention of its reference framework).
        """

    @abstractmethod
    def macs_executed(self, queries: int, supports: int, k: int) -> int:
        """Multiply-accumulates of this implementation at inference, for full neighbour lists."""
