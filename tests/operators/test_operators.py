"""Every operator against its definition, and what all of them promise."""

from __future__ import annotations

import numpy as np
import operator_definitions
import pytest
import torch

from salanet.errors import ConfigError
from salanet.operators import OPERATORS, PointNorm, create_operator
from salanet.operators.assignment import (
    fuzzy_spherical_scores,
    kernel_point_scores,
    spherical_scores,
)
from salanet.operators.kernel_points import kernel_points
from salanet.ops.aggregation import reference
from salanet.ops.aggregation.weighted import offsets

RADIUS = 0.5
CHANNELS = 9
CASES = [
    *[(name, {}) for name in OPERATORS],
    ("kpconv_deformable", {"modulated": True}),
    ("kpconv", {"points": 7, "extent": 0.6}),
    ("spherical", {"bins": (4, 3, 1), "multiplier": 1}),
    ("spherical_fuzzy", {"bins": (8, 4, 1)}),
    ("xconv", {"points": 7, "dilation": 1, "multiplier": 2}),
    ("xconv", {"points": 4, "lifted": 5}),
    ("sala", {"norm": "neighbour"}),
    ("sala", {"groups": 4}),
    ("sala", {"groups": 1, "norm": "neighbour"}),
    ("sala", {"reduction": "sum"}),
    ("sala", {"reduction": "mean"}),
    ("sala", {"reduction": "mean", "norm": "neighbour"}),
    ("sala", {"reduction": "half", "groups": 3}),
    ("sala", {"reduction": "half", "norm": "neighbour"}),
    ("sala", {"centre": True, "temperature": 0.4}),
    ("sala", {"positional": False}),
    ("sala", {"assignment": "hard"}),
    ("sala", {"assignment": "none"}),
    ("sala", {"perceptrons": "linear"}),
    ("sala", {"perceptrons": "linear", "norm": "neighbour"}),
]
IDS = [
    "-".join([name, *(f"{k}={v}" for k, v in options.items())]).replace(" ", "")
    for name, options in CASES
]
each_case = pytest.mark.parametrize(("name", "options"), CASES, ids=IDS)


def make(name, options, channels=CHANNELS, dtype=torch.float64):
    """An operator in evaluation mode whose statistics and biases are not trivial."""
    torch.manual_seed(1)
    operator = create_operator(name, channels, channels, RADIUS, width=12, **options)
    with torch.no_grad():
        for module in operator.modules():
            if isinstance(module, PointNorm):
                module.running_mean.normal_(0, 0.2)
                module.running_var.uniform_(0.5, 2)
                module.weight.normal_()
                module.bias.normal_(0, 0.3)
        if name == "sala":  # weights with which no group gets all neighbours
            torch.manual_seed(10)
            for layer in (operator.lift, operator.hidden, operator.score):
                layer.weight.normal_()
                if layer.bias is not None:
                    layer.bias.normal_(0, 0.5)
        if name == "kpconv_deformable":
            operator.offsets.weight.normal_(0, 0.05)
            operator.offsets.bias.normal_(0, 0.3)
    return operator.to(dtype).eval()


def cloud(queries=14, supports=40, k=7, dtype=torch.float64, channels=CHANNELS):
    """Queries among supports, with short lists, one query by itself, and one on a support."""
    generator = torch.Generator().manual_seed(3)
    points = torch.rand(supports, 3, generator=generator, dtype=torch.float64)
    centres = torch.rand(queries, 3, generator=generator, dtype=torch.float64)
    centres[0] = 50.0
    centres[1] = points[5]
    distance, order = torch.cdist(centres, points).topk(k, largest=False)
    neighbours = order.where(distance < RADIUS, supports).int()
    features = torch.randn(supports, channels, generator=generator, dtype=torch.float64)
    return centres.to(dtype), points.to(dtype), neighbours, features.to(dtype)


@each_case
def test_forward_is_the_definition(name, options):
    operator, arguments = make(name, options), cloud()
    expected = getattr(operator_definitions, name)(operator, *(a.numpy() for a in arguments))
    assert (arguments[2][0] == 40).all() and (arguments[2][2] == 40).any()
    with torch.no_grad():
        torch.testing.assert_close(operator(*arguments), torch.from_numpy(expected))


@pytest.mark.parametrize(
    ("name", "options"),
    [case for case in CASES if case[0] != "xconv"],  # which reads its list in order
    ids=[name for name in IDS if not name.startswith("xconv")],
)
def test_the_order_of_neighbours_beyond_the_first_is_free(name, options):
    operator, (queries, supports, neighbours, features) = make(name, options), cloud()
    order = [0, 4, 2, 6, 1, 5, 3]
    with torch.no_grad():
        torch.testing.assert_close(
            operator(queries, supports, neighbours[:, order], features),
            operator(queries, supports, neighbours, features),
        )


def test_xconv_follows_the_distances_not_the_order_of_the_points():
    operator, (queries, supports, neighbours, features) = make("xconv", {}), cloud()
    order = torch.randperm(len(supports))
    renamed = torch.cat([order.argsort(), torch.tensor([len(supports)])])
    with torch.no_grad():
        expected = operator(queries, supports, neighbours, features)
        found = operator(
            queries, supports[order], renamed[neighbours.long()].int(), features[order]
        )
        torch.testing.assert_close(found, expected)
        turned = operator(queries, supports, neighbours.flip(1), features)
        assert (turned - expected).abs().max() > 0.1


@pytest.mark.parametrize("name", ["xconv", "graph_attention"])
def test_chunks_change_nothing(name, monkeypatch):
    operator, arguments = make(name, {}), cloud()
    with torch.no_grad():
        whole = operator(*arguments)
        monkeypatch.setattr(f"salanet.operators.{name}.CHUNK_VALUES", 900)
        torch.testing.assert_close(operator(*arguments), whole)


@each_case
def test_moving_the_cloud_changes_nothing(name, options):
    operator, (queries, supports, neighbours, features) = make(name, options), cloud()
    shift = torch.tensor([4.0, -2.0, 8.0], dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(
            operator(queries + shift, supports + shift, neighbours, features),
            operator(queries, supports, neighbours, features),
        )


@each_case
def test_a_training_step_reaches_every_parameter(name, options):
    operator = make(name, options, dtype=torch.float32).train()
    out = operator(*cloud(dtype=torch.float32))
    loss = (out * torch.randn_like(out)).sum()
    if hasattr(operator, "regularisation"):
        loss = loss + operator.regularisation()
    loss.backward()
    silent = {"hard": ("hidden", "score"), "none": ("hidden", "score")}
    for parameter, value in operator.named_parameters():
        if parameter.startswith(silent.get(options.get("assignment"), ())) or (
            options.get("groups") == 1 and parameter.startswith(("hidden", "score"))
        ):
            continue  # scores without influence on the result
        assert value.grad is not None, parameter
        assert value.grad.isfinite().all(), parameter
        assert value.grad.abs().sum() > 0, parameter


@each_case
@pytest.mark.parametrize("training", [True, False])
def test_tiny_clouds(name, options, training):
    operator = make(name, options, dtype=torch.float32).train(training)
    point = torch.zeros(1, 3)
    for row in ([0, 1, 1], [1, 1, 1]):  # itself alone, and nobody
        out = operator(
            point, point, torch.tensor([row], dtype=torch.int32), torch.ones(1, CHANNELS)
        )
        assert out.shape == (1, CHANNELS)
        assert out.isfinite().all()


@each_case
def test_state_restores_the_function(name, options):
    operator = make(name, options)
    torch.manual_seed(7)
    copy = create_operator(name, CHANNELS, CHANNELS, RADIUS, width=12, **options).double().eval()
    copy.load_state_dict(operator.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(copy(*cloud()), operator(*cloud()), rtol=0, atol=0)


@pytest.mark.parametrize("channels", [1, 5, 6, 12, 20])
def test_pospool_sincos_takes_any_width(channels):
    operator, arguments = make("pospool_sincos", {}, channels), cloud(channels=channels)
    expected = operator_definitions.pospool_sincos(operator, *(a.numpy() for a in arguments))
    torch.testing.assert_close(operator(*arguments).detach(), torch.from_numpy(expected))


@pytest.mark.parametrize(
    ("name", "options"),
    [("pointwise_mlp", {}), ("sala", {"norm": "neighbour", "perceptrons": "linear"})],
)
def test_statistics_from_moments_are_those_of_all_pairs(name, options):
    operator, arguments = make(name, options), cloud()
    expected = make(name, options).train()
    queries, supports, neighbours, f = (a.numpy() for a in arguments)
    w = operator_definitions.weights(operator)
    z = []
    for _, near in operator_definitions.pairs(operator, queries, supports, neighbours):
        for j, d in near:
            if name == "sala":
                lifted = np.maximum(w["lift.weight"] @ d + w["lift.bias"], 0)
                z.append(w["weight"] @ np.concatenate([lifted, f[j]]))
            else:
                centre = f[near[0][0]]
                z.append(w["linear.weight"] @ np.concatenate([d, centre, f[j] - centre]))
    expected.norm(torch.from_numpy(np.array(z)))
    operator.train()(*arguments)
    torch.testing.assert_close(operator.norm.running_mean, expected.norm.running_mean)
    torch.testing.assert_close(operator.norm.running_var, expected.norm.running_var)


def plain_sala(operator, queries, supports, neighbours, features):
    """A training step of SALA with every pair's rows and PyTorch's own batch norm."""
    present = neighbours < len(supports)
    rows = neighbours.clamp(max=len(supports) - 1).long()
    x = (supports[rows] - queries[:, None]) / operator.radius

    def block(values, layer):
        out = values[present] @ layer.weight.T
        mean, var = layer.norm.running_mean, layer.norm.running_var
        norm = layer.norm.weight, layer.norm.bias
        out = torch.nn.functional.batch_norm(out, mean, var, *norm, training=True)
        return values.new_zeros(*present.shape, out.shape[1]).masked_scatter(
            present[..., None], out.relu()
        )

    r = block(x, operator.lift)
    h = operator.score(block(r, operator.hidden)).softmax(-1)
    z = torch.cat([r, features[rows]], dim=-1) @ operator.weight.T
    y = h[..., None] * z.unflatten(-1, (operator.groups, -1))
    best = y.where(present[..., None, None], -torch.inf).amax(1)
    total = best.where(present.any(1)[:, None, None], 0).sum(1)
    return torch.relu(operator.norm(total))


@pytest.mark.parametrize(("dtype", "close"), [(torch.float64, 1e-9), (torch.float32, 2e-4)])
def test_dense_perceptrons_train_as_on_all_pairs(dtype, close):
    """Values, every gradient and the running statistics, by kernel (float32) and by reference."""
    found, expected = (make("sala", {}, dtype=dtype).train() for _ in range(2))
    arguments = cloud(queries=60, supports=90, dtype=dtype)
    weights = torch.randn(60, CHANNELS, dtype=dtype)
    for operator, run in ((found, found), (expected, plain_sala)):
        out = run(*((operator,) if run is plain_sala else ()), *arguments)
        (out * weights).sum().backward()
        operator.out = out.detach()
    torch.testing.assert_close(found.out, expected.out, rtol=close, atol=close)
    for (name, one), (_, other) in zip(
        found.named_parameters(), expected.named_parameters(), strict=True
    ):
        torch.testing.assert_close(
            one.grad, other.grad, rtol=close, atol=close * float(other.grad.abs().max()), msg=name
        )
    for (name, one), (_, other) in zip(
        found.named_buffers(), expected.named_buffers(), strict=True
    ):
        if name.count(".") > 1:  # of the perceptrons; the outer norm is the operator's own
            one, other = one.to(dtype), other.to(dtype)
            if "num_batches" not in name:
                torch.testing.assert_close(one, other, rtol=close, atol=close, msg=name)


@pytest.mark.parametrize("groups", [2, 3, 4])
def test_the_assignment_is_alive_before_training(groups):
    """Neighbourhoods on a wall and in a tree: h leaves its mean by about 0.2 of its half."""
    generator = torch.Generator().manual_seed(0)
    wall = torch.rand(300, 3, generator=generator) * torch.tensor([1.0, 0.0, 1.0])
    tree = torch.rand(300, 3, generator=generator)
    points = torch.cat([wall, tree + 5])
    distance, order = torch.cdist(points, points).topk(26, largest=False)
    neighbours = order.where(distance < 0.3, len(points)).int()
    spreads = []
    for seed in range(8):
        torch.manual_seed(seed)
        operator = create_operator("sala", 8, 8, 0.3, groups=groups).train()
        spreads.append(operator.spread(points, points, neighbours))
    assert 0.3 / groups < np.mean(spreads) < 0.5 / groups
    assert min(spreads) > 0.15 / groups


@pytest.mark.parametrize("norm", ["point", "neighbour"])
def test_sala_with_one_group_is_its_pointwise_mlp(norm):
    operator, arguments = make("sala", {"groups": 1, "norm": norm}), cloud()
    queries, supports, neighbours, features = arguments
    w, b = operator.norm.scale_shift()
    rows = neighbours.clamp(max=39).long()
    offset = (supports[rows] - queries[:, None]) / RADIUS
    lift_w, lift_b = operator.lift.fixed()
    lifted = torch.nn.functional.linear(offset, lift_w, lift_b).relu()
    dense = torch.cat([lifted, features[rows]], dim=-1) @ operator.weight.T
    if norm == "neighbour":
        dense = (dense * w + b).relu()
    present = (neighbours < 40)[..., None]
    expected = dense.where(present, -torch.inf).amax(1).where(present.any(1), 0)
    if norm == "point":
        expected = (expected * w + b).relu()
    torch.testing.assert_close(operator(*arguments), expected)


@pytest.mark.parametrize("groups", [2, 3, 4])
def test_what_sala_learns_sums_to_one(groups):
    operator = make("sala", {"groups": groups, "perceptrons": "linear"})
    queries, supports, neighbours, _ = cloud()
    mlp, _ = operator._perceptrons(queries, supports, neighbours)
    r = reference.lifted_offsets(queries, supports, neighbours, mlp.lift_w, mlp.lift_b, RADIUS)
    soft, hard = (reference.assign(r[neighbours < 40], mlp, way) for way in ("soft", "hard"))
    for scores in (soft, hard):
        assert (scores >= 0).all()
        torch.testing.assert_close(scores.sum(1), torch.ones_like(scores[:, 0]))
    assert set(hard.unique().tolist()) == {0.0, 1.0}
    assert (hard.sum(0) > 0).all(), "no group is empty"
    assert torch.equal(hard.argmax(1), soft.argmax(1))


def test_assignments_sum_to_one():
    queries, supports, neighbours, _ = cloud()
    offset = offsets(queries, supports, neighbours, RADIUS)
    ones = torch.ones(neighbours.shape, dtype=torch.float64)
    for scores in (
        spherical_scores(offset, (8, 2, 2)),
        fuzzy_spherical_scores(offset, (8, 2, 1)),
        fuzzy_spherical_scores(offset, (8, 4, 1)),
    ):
        assert (scores.dense() >= 0).all()
        torch.testing.assert_close(scores.dense().sum(2), ones)
    hard = spherical_scores(offset, (8, 2, 2)).dense()
    assert set(hard.unique().tolist()) == {0.0, 1.0}


def test_influence_of_kernel_points():
    points = torch.tensor([[0.0, 0, 0], [1.0, 0, 0]], dtype=torch.float64)
    offset = torch.tensor([[[0.0, 0, 0], [0.8, 0, 0]]], dtype=torch.float64)
    linear = kernel_point_scores(offset, points, 0.5).values
    torch.testing.assert_close(
        linear, torch.tensor([[[1.0, 0], [0, 0.6]]]).double(), atol=1e-5, rtol=0
    )
    gaussian = kernel_point_scores(offset, points, 0.5, "gaussian").values
    assert gaussian[0, 1, 1] == pytest.approx(np.exp(-0.04 / (2 * 0.15**2)))
    closest = kernel_point_scores(offset, points, 0.5, closest=True)
    torch.testing.assert_close(closest.dense(), linear)
    assert closest.groups.squeeze(2).tolist() == [[0, 1]]


def test_kernel_points_are_spread_and_reproducible():
    points = kernel_points(15)
    assert points.shape == (15, 3)
    assert points[0].tolist() == [0, 0, 0]
    radii = points[1:].norm(dim=1)
    assert radii.mean() == pytest.approx(1)
    assert radii.min() > 0.95 and radii.max() < 1.05
    assert torch.pdist(points[1:]).min() > 0.8
    assert points[1:, 2].max() == pytest.approx(
        float(points[1:].norm(dim=1)[points[1:, 2].argmax()])
    )
    assert torch.equal(points, kernel_points(15))


def test_deformable_kernels_are_pulled_to_points_and_apart():
    operator = make("kpconv_deformable", {}).train()
    arguments = cloud()
    operator(*arguments)
    queries, supports, neighbours, f = (a.numpy() for a in arguments)
    w = operator_definitions.weights(operator)
    rigid = w["convolution.kernel_points"]
    fit, repulsion = [], []
    for _, near in operator_definitions.pairs(operator, queries, supports, neighbours):
        shift = operator_definitions.kernel_sum(near, f, rigid, w["offsets.weight"], operator)
        points = rigid + 0.4 * (shift + w["offsets.bias"]).reshape(-1, 3)
        for a, point in enumerate(points):
            squares = [np.sum((d - point) ** 2) / 0.4**2 for _, d in near]
            fit.append(min(squares, default=0))
            apart = [np.linalg.norm(points[b] - point) / 0.4 for b in range(15) if b != a]
            repulsion.append(sum(max(0, 1.2 - d) ** 2 for d in apart))
    expected = 2 * np.mean(fit) + np.mean(repulsion)
    assert operator.regularisation().item() == pytest.approx(expected)
    assert operator.regularisation().item() == 0  # given out once
    assert operator.offsets.lr_multiplier == 0.1


def test_errors_name_the_option():
    with pytest.raises(ConfigError, match="unknown operator 'salad'"):
        create_operator("salad", 3, 3, 1.0)
    with pytest.raises(ConfigError, match="no option 'points'"):
        create_operator("pospool", 3, 3, 1.0, points=3)
    for options in ({"points": 0}, {"dilation": "2"}, {"dilation": 1.5}):
        with pytest.raises(ConfigError, match="whole numbers from 1"):
            create_operator("xconv", 3, 3, 1.0, **options)
    with pytest.raises(ConfigError, match="cannot make 4 of 3"):
        create_operator("pospool", 3, 4, 1.0)
