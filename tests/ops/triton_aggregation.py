"""Run by test_triton.py: the aggregation kernels against the reference."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from salanet import ops, pyramid
from salanet.operators import SALA
from salanet.ops import PositionMLP

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
BACKENDS = ("reference", "triton")

# queries, supports, slots, groups, channels, lifted, hidden
SHAPES = [
    (5, 7, 4, 2, 9, 8, 8),
    (6, 9, 3, 3, 18, 5, 6),
    (3, 4, 1, 1, 1, 8, 8),
    (2, 3, 2, 4, 70, 1, 2),
]
OPTIONS = list(itertools.product(("none", "relu"), ("max", "sum"), ("soft", "hard", "none")))


def random_case(m, n, k, groups, channels, lifted, hidden):
    generator = torch.Generator().manual_seed(m)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator).to(DEVICE)

    neighbours = torch.randint(0, n + 1, (m, k), generator=generator).int()
    neighbours[0] = n  # an empty neighbourhood
    neighbours[1] = torch.arange(k) % n  # a full one
    mlp = PositionMLP(
        normal(lifted, 3),
        normal(lifted),
        normal(hidden, lifted) / lifted**0.5,
        normal(hidden),
        normal(groups, hidden),
        normal(groups),
    )
    width = groups * channels
    weights = (normal(n, width), *mlp, normal(width, lifted) / lifted**0.5, normal(width))
    return normal(m, 3), normal(n, 3), neighbours.to(DEVICE), weights


def close(found: Tensor | None, expected: Tensor | None, tolerance: float = 1e-5) -> None:
    if expected is None:
        assert found is None or not found.any()
        return
    assert found is not None and found.shape == expected.shape
    error = (found.double() - expected.double()).abs().max().item() if found.numel() else 0.0
    assert error <= tolerance * max(1.0, expected.abs().max().item())


def aggregate(case, groups, options, without=()):
    """The result and its gradients, with tensors `without` left out."""
    queries, supports, neighbours, weights = case
    leaves = [w.clone().requires_grad_() for w in weights]
    position_w, bias = (None if k in without else leaves[k] for k in (7, 8))
    out = ops.sala_aggregate(
        queries,
        supports,
        neighbours,
        leaves[0],
        PositionMLP(*leaves[1:7]),
        position_w,
        bias,
        radius=0.7,
        groups=groups,
        activation=options[0],
        reduction=options[1],
        assignment=options[2],
    )
    upstream = torch.linspace(-1, 1, out.numel(), device=DEVICE).view(out.shape)
    used = [leaf for k, leaf in enumerate(leaves) if k not in without]
    return [out, *torch.autograd.grad((out * upstream).sum(), used, allow_unused=True)]


def compare(*arguments, **options) -> None:
    results = []
    for name in BACKENDS:
        with ops.backend(name):
            results.append(aggregate(*arguments, **options))
    for expected, found in zip(*results, strict=True):
        close(found, expected)


@pytest.mark.parametrize("options", OPTIONS)
def test_sala(options) -> None:
    compare(random_case(*SHAPES[0]), SHAPES[0][3], options)


@pytest.mark.parametrize("shape", SHAPES[1:])
def test_sala_shapes(shape) -> None:
    compare(random_case(*shape), shape[3], ("relu", "max", "soft"))


@pytest.mark.parametrize("without", [(7,), (8,), (7, 8)])
def test_sala_without_optional_parts(without) -> None:
    compare(random_case(*SHAPES[0]), SHAPES[0][3], ("none", "max", "soft"), without=without)


def test_sala_repeats_bit_for_bit() -> None:
    case = random_case(*SHAPES[0])
    with ops.backend("triton"):
        first, second = (aggregate(case, 2, ("relu", "sum", "soft")) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_inference_equals_training() -> None:
    queries, supports, neighbours, weights = random_case(*SHAPES[0])
    trained = aggregate((queries, supports, neighbours, weights), 2, ("none", "max", "soft"), (8,))
    with ops.backend("triton"), torch.no_grad():
        out = ops.sala_aggregate(
            queries,
            supports,
            neighbours,
            weights[0],
            PositionMLP(*weights[1:7]),
            weights[7],
            radius=0.7,
            groups=2,
        )
    close(out, trained[0])


def test_bfloat16_features() -> None:
    queries, supports, neighbours, weights = random_case(*SHAPES[0])
    half = weights[0].bfloat16().requires_grad_()
    arguments = (PositionMLP(*weights[1:7]), weights[7], weights[8])
    options = {"radius": 0.7, "groups": 2, "activation": "relu"}
    with ops.backend("triton"):
        out = ops.sala_aggregate(queries, supports, neighbours, half, *arguments, **options)
    (grad,) = torch.autograd.grad(out.sum(), half)
    full = half.detach().float().requires_grad_()
    with ops.backend("reference"):
        expected = ops.sala_aggregate(queries, supports, neighbours, full, *arguments, **options)
    assert out.dtype == grad.dtype == torch.bfloat16
    close(out, expected, 2**-7)  # a unit in the last place: rounded once, at the end
    close(grad, torch.autograd.grad(expected.sum(), full)[0], 2**-7)


@pytest.mark.parametrize("shape", SHAPES)
def test_neighbour_max(shape) -> None:
    _, _, neighbours, weights = random_case(*shape)
    results = []
    for name in BACKENDS:
        features = weights[0].clone().requires_grad_()
        with ops.backend(name):
            out = ops.neighbour_max(features, neighbours)
        results.append([out, *torch.autograd.grad((out * out.cos()).sum(), features)])
    assert torch.equal(results[0][0], results[1][0])
    close(results[1][1], results[0][1])


@pytest.mark.parametrize("shape", SHAPES)
def test_position_moments(shape) -> None:
    queries, supports, neighbours, weights = random_case(*shape)
    results = []
    for name in BACKENDS:
        lift = [w.clone().requires_grad_() for w in weights[1:3]]
        with ops.backend(name):
            sums, counts, gram = ops.position_moments(queries, supports, neighbours, *lift, 0.7)
        loss = (sums * sums.cos()).sum() + (gram * gram.sin()).sum()
        results.append([sums, counts, gram, *torch.autograd.grad(loss, lift)])
    for expected, found in zip(*results, strict=True):
        close(found, expected, 1e-4)  # cos and sin of large sums magnify their rounding


@pytest.mark.parametrize("shape", SHAPES)
def test_pair_moments(shape) -> None:
    *around, weights = random_case(*shape)
    results = []
    for name in BACKENDS:
        lift = [w.clone().requires_grad_() for w in weights[1:3]]
        with ops.backend(name):
            offsets = ops.pair_moments(*around, 0.7)
            gram = ops.pair_moments(*around, 0.7, (lift[0], lift[1]))
        results.append([offsets, gram, *torch.autograd.grad((gram * gram.sin()).sum(), lift)])
    for expected, found in zip(*results, strict=True):
        close(found, expected, 1e-4)


def test_queries_and_slots_may_be_none() -> None:
    queries, supports, neighbours, weights = random_case(*SHAPES[0])
    for m, k in ((0, 4), (5, 0)):
        case = (queries[:m], supports, neighbours[:m, :k].contiguous(), weights)
        with ops.backend("triton"):
            out, *grads = aggregate(case, 2, ("relu", "max", "soft"))
        assert out.shape == (m, 9)
        assert not out.any() and not any(grad.any() for grad in grads)


@pytest.mark.parametrize("norm", ["point", "neighbour"])
def test_training_step(norm: str) -> None:
    """Pyramid, two layers with pooling between, and backward, all through the kernels."""
    points = torch.rand(18, 3, generator=torch.Generator().manual_seed(0)).to(DEVICE)
    results = []
    for name in BACKENDS:
        torch.manual_seed(0)
        layers = [SALA(3, 5, 0.4, norm=norm).to(DEVICE), SALA(5, 4, 0.4, norm=norm).to(DEVICE)]
        with ops.backend(name):
            fine, coarse = pyramid.build(points, grid=0.2, radius=0.4, neighbours=(3, 3)).levels
            features = layers[0](fine.points, fine.points, fine.neighbours, fine.points)
            pooled = layers[1](coarse.points, fine.points, fine.pool, features)
            pooled = pooled + ops.neighbour_max(features, fine.pool)[:, :4]
            pooled[fine.upsample.long()].square().sum().backward()
        results.append((pooled, [p.grad for layer in layers for p in layer.parameters()]))
    (expected, expected_grads), (found, grads) = results
    close(found, expected, 1e-4)
    scale = max(grad.abs().max().item() for grad in expected_grads)
    for grad, wanted in zip(grads, expected_grads, strict=True):
        assert (grad - wanted).abs().max().item() <= 1e-4 * scale
