from __future__ import annotations

import functools
import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from aggregation_cases import (
    RADIUS,
    assert_same,
    assert_same_bits_for_any_threads,
    cloud,
    mlp_of,
    outputs_and_gradients,
    weights,
)
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from salanet.errors import ConfigError, DataError
from salanet.ops import PositionMLP, backend, sala_aggregate
from salanet.ops.aggregation import native

REDUCTIONS, ACTIVATIONS, ASSIGNMENTS = ("max", "sum"), ("none", "relu"), ("soft", "hard", "none")


def layer(points: tuple[Tensor, Tensor, Tensor], groups: int, **options: str):
    """sala_aggregate as a function of the tensors that `weights` makes."""

    def run(*tensors: Tensor) -> Tensor:
        queries, supports = (p.to(tensors[0].dtype) for p in points[:2])
        return sala_aggregate(
            queries, supports, points[2], tensors[0], mlp_of(tensors), *tensors[7:],
            radius=RADIUS, groups=groups, **options,
        )  # fmt: skip

    return run


def check(m: int, n: int, channels: int, k: int, groups: int, seed: int, **options) -> None:
    lifted, hidden = options.pop("lifted", 8), options.pop("hidden", 8)
    points = cloud(m, n, k, seed)
    tensors = weights(n, channels, groups, seed, lifted, hidden)
    run = layer(points, groups, **options)
    exact = outputs_and_gradients(run, tensors, "reference", torch.float64)
    assert_same(outputs_and_gradients(run, tensors, "native"), exact)


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(("channels", "groups"), [(18, 2), (9, 1), (45, 3), (2, 4)])
def test_kernels_match_the_reference(channels, groups, reduction, activation, assignment):
    check(
        60, 80, channels, 12, groups, seed=channels,
        reduction=reduction, activation=activation, assignment=assignment,
    )  # fmt: skip


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    m=st.integers(1, 40),
    n=st.integers(1, 80),
    channels=st.integers(1, 300),
    k=st.integers(1, 64),
    groups=st.integers(1, 4),
    reduction=st.sampled_from(REDUCTIONS),
    activation=st.sampled_from(ACTIVATIONS),
    seed=st.integers(0, 1000),
)
@example(31, 27, 72, 64, 2, "max", "relu", 253)  # a gradient of 0.01 as the sum of thousands
def test_any_shape(m, n, channels, k, groups, reduction, activation, seed):
    check(m, n, channels, k, groups, seed, reduction=reduction, activation=activation)


@pytest.mark.parametrize(("lifted", "hidden"), [(5, 7), (16, 3), (64, 64), (1, 1)])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_any_perceptron_width(lifted, hidden, reduction):
    check(30, 40, 10, 6, 3, seed=1, lifted=lifted, hidden=hidden, reduction=reduction)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_without_positional_part_and_bias(reduction):
    points, tensors = cloud(50, 60, 9, 3), weights(60, 7, 2, 3)[:7]

    def run(*t: Tensor) -> Tensor:
        queries, supports = (p.to(t[0].dtype) for p in points[:2])
        return sala_aggregate(
            queries, supports, points[2], t[0], mlp_of(t),
            radius=RADIUS, groups=2, reduction=reduction,
        )  # fmt: skip

    exact = outputs_and_gradients(run, tensors, "reference", torch.float64)
    assert_same(outputs_and_gradients(run, tensors, "native"), exact)


@pytest.mark.parametrize("isa", ["portable", "avx2", "avx512"])
def test_every_instruction_set(isa):
    """The same checks in a process that is told which set to use."""
    program = (
        "from salanet import _aggregation; print(_aggregation.isa);"
        "from test_sala_aggregate import check;"
        "[check(40, 50, c, 10, s, 0, reduction=r)"
        " for c, s in ((18, 2), (3, 1), (7, 4)) for r in ('max', 'sum')]"
    )
    environment = os.environ | {"SALANET_ISA": isa}
    environment["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    result = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    if result.stdout.strip() != isa:
        pytest.skip(f"this processor lacks {isa}")


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_same_bits_for_any_number_of_threads(reduction):
    points, tensors = cloud(700, 900, 16, 5), weights(900, 18, 2, 5)
    run = layer(points, 2, reduction=reduction)
    assert_same_bits_for_any_threads(lambda: outputs_and_gradients(run, tensors, "native"))


def test_worked_example():
    """One neighbour straight ahead, one behind; the lift sees only what lies ahead."""
    supports = torch.tensor([[1.0, 0, 0], [-1.0, 0, 0]])
    mlp = PositionMLP(
        torch.tensor([[1.0, 0, 0]]), torch.zeros(1), torch.ones(1, 1), torch.zeros(1),
        torch.tensor([[1.0], [0.0]]), torch.zeros(2),
    )  # fmt: skip
    out = sala_aggregate(
        torch.zeros(2, 3), supports, torch.tensor([[0, 1], [2, 2]], dtype=torch.int32),
        torch.tensor([[1.0, 2.0], [3.0, 5.0]]), mlp, torch.tensor([[10.0], [0.0]]),
        radius=2.0, groups=2,
    )  # fmt: skip
    # r = 1/2 and 0; h of group 0 = sigmoid(1/2) and 1/2; z = [1 + 5, 2] and [3, 5].
    ahead = torch.tensor(0.5).sigmoid()
    assert out[0].item() == pytest.approx((ahead * 6).item() + 2.5, rel=1e-6)
    assert out[1].item() == 0.0


def test_empty_inputs():
    for m, n in ((0, 5), (4, 0), (0, 0)):
        table = torch.full((m, 3), n, dtype=torch.int32)
        tensors = weights(n, 6, 2, 0)
        for name in ("native", "reference"):
            run = layer((torch.rand(m, 3), torch.rand(n, 3), table), 2)
            out, *gradients = outputs_and_gradients(run, tensors, name)
            assert torch.equal(out, torch.zeros(m, 6))
            assert all((g == 0).all() for g in gradients)


def test_what_the_kernels_do_not_take_runs_by_the_reference():
    points, tensors = cloud(10, 300, 260, 2), weights(300, 4, 2, 2)
    run = layer(points, 2)
    exact = outputs_and_gradients(run, tensors, "reference", torch.float64)
    assert_same(outputs_and_gradients(run, tensors, "native"), exact)
    assert run(*(t.double() for t in tensors)).dtype == torch.float64


def test_strided_inputs():
    points, tensors = cloud(20, 30, 5, 4), weights(30, 6, 2, 4)
    strided = [t.repeat_interleave(2, dim=-1)[..., ::2] for t in tensors]
    with torch.no_grad():
        assert torch.equal(layer(points, 2)(*strided), layer(points, 2)(*tensors))


@pytest.mark.parametrize(("reduction", "activation"), [*itertools.product(REDUCTIONS, ACTIVATIONS)])
@pytest.mark.usefixtures("one_thread")
def test_gradcheck_of_the_reference(reduction, activation):
    points = cloud(5, 6, 4, 9)
    tensors = [t.double().requires_grad_() for t in weights(6, 3, 2, 9)]
    with backend("reference"):
        run = layer(points, 2, reduction=reduction, activation=activation)
        assert torch.autograd.gradcheck(run, tensors)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_operation_is_registered_properly(reduction):
    points, tensors = cloud(9, 12, 5, 6), weights(12, 3, 2, 6)
    tensors = [t.requires_grad_() for t in tensors]
    arguments = (*points, *tensors, RADIUS, 2, "relu", reduction, "soft")
    torch.library.opcheck(torch.ops.salanet.sala_aggregate, arguments)


def test_compiles_without_graph_breaks():
    points, tensors = cloud(20, 30, 5, 8), weights(30, 6, 2, 8)
    run = layer(points, 2)
    compiled = torch.compile(run, backend="aot_eager", fullgraph=True, dynamic=True)
    wanted = outputs_and_gradients(run, tensors, "native")
    for result, expected in zip(
        outputs_and_gradients(compiled, tensors, "native"), wanted, strict=True
    ):
        assert torch.equal(result, expected)


def test_exports():
    points, tensors = cloud(20, 30, 5, 8), weights(30, 6, 2, 8)

    class Layer(torch.nn.Module):
        forward = staticmethod(layer(points, 2))

    program = torch.export.export(Layer(), tuple(tensors))
    assert "salanet.sala_aggregate" in str(program.graph)
    assert torch.equal(program.module()(*tensors), layer(points, 2)(*tensors))


def test_inference_skips_the_dispatcher(monkeypatch):
    points, tensors = cloud(20, 30, 5, 8), weights(30, 6, 2, 8)
    monkeypatch.setattr(native, "needs_operation", functools.partial(_expect, False))
    layer(points, 2)(*tensors)
    monkeypatch.setattr(native, "needs_operation", functools.partial(_expect, True))
    layer(points, 2)(*(t.requires_grad_() for t in tensors))


def _expect(wanted: bool, *tensors: Tensor | None, original=native.needs_operation) -> bool:
    assert original(*tensors) == wanted
    return wanted


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"groups": 4}, "do not divide|scores for"),
        ({"position_w": torch.zeros(6, 8)}, "position_w must have shape"),
        ({"bias": torch.zeros(3)}, "bias must have shape"),
        ({"neighbours": torch.zeros(20, 5)}, "must be int32"),
        ({"neighbours": torch.zeros(19, 5, dtype=torch.int32)}, "19 rows of neighbours"),
        ({"projected": torch.zeros(29, 12)}, "29 rows projected"),
        ({"queries": torch.zeros(20, 2)}, "queries must have 3 columns"),
    ],
)
def test_shapes_that_do_not_fit(change, message):
    (queries, supports, neighbours), tensors = cloud(20, 30, 5, 8), weights(30, 6, 2, 8)
    arguments = {
        "queries": queries,
        "supports": supports,
        "neighbours": neighbours,
        "projected": tensors[0],
        "mlp": mlp_of(tensors),
        "position_w": tensors[7],
        "bias": tensors[8],
        "radius": RADIUS,
        "groups": 2,
    }
    with pytest.raises(DataError, match=message):
        sala_aggregate(**(arguments | change))


def test_unknown_options():
    points, tensors = cloud(20, 30, 5, 8), weights(30, 6, 2, 8)
    for option in ("activation", "reduction", "assignment"):
        with pytest.raises(ConfigError, match=f"{option} is 'mean'"):
            layer(points, 2, **{option: "mean"})(*tensors)
