"""Small perceptrons on rows, for the operators that run them on every (query, neighbour) pair."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from salanet.operators.norm import PointNorm

# Queries, or values, of the (M, K, C) tensors that are held at once when no gradient is wanted.
CHUNK = 2048
CHUNK_VALUES = 1 << 22


class Rows(nn.Sequential):
    """Linear maps with batch norm and ReLU, or ELU, after each, on rows (P, C).

    Args:
        widths: of the input and of each layer.
        momentum: of the batch norms.
        last_plain: the last layer is a linear map with a bias and nothing after it.
        elu: ELU in place of ReLU.
    """

    def __init__(
        self, widths: list[int], momentum: float, *, last_plain: bool = False, elu: bool = False
    ) -> None:
        layers: list[nn.Module] = []
        for i, (inputs, outputs) in enumerate(pairwise(widths)):
            if last_plain and i == len(widths) - 2:
                layers.append(nn.Linear(inputs, outputs))
            else:
                layers.append(nn.Linear(inputs, outputs, bias=False))
                layers.append(PointNorm(outputs, momentum=momentum))
                layers.append(nn.ELU(inplace=True) if elu else nn.ReLU(inplace=True))
        super().__init__(*layers)

    def macs(self, *, folded: bool) -> int:
        """Per row: products, biases, and two per normalised element, or one once folded."""
        total = 0
        for layer in self:
            if isinstance(layer, nn.Linear):
                total += layer.weight.numel() + (
                    layer.out_features if layer.bias is not None else 0
                )
            elif isinstance(layer, PointNorm):
                total += layer.num_features * (1 if folded else 2)
        return total


def repeated(neighbours: Tensor, supports: int) -> tuple[Tensor, Tensor]:
    """Neighbour lists (M, K) whose missing entries repeat the nearest, and which were there.

    Lists of nobody hold the last support: what is computed of them is to be thrown away.
    """
    present = neighbours < supports
    rows = neighbours.where(present, neighbours[:, :1])
    return rows.clamp(max=supports - 1), present
