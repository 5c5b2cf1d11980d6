"""Every operator as its paper writes it: loops over queries, neighbours and groups, in float64.

Each takes an operator in evaluation mode for its weights, and the arguments of `forward`.
"""

from __future__ import annotations

import math

import numpy as np


def weights(module):
    return {name: value.double().numpy() for name, value in module.state_dict().items()}


def batch_norm(x, w, prefix="norm"):
    mean, var = w[f"{prefix}.running_mean"], w[f"{prefix}.running_var"]
    return (x - mean) / np.sqrt(var + 1e-5) * w[f"{prefix}.weight"] + w[f"{prefix}.bias"]


def relu(x):
    return np.maximum(x, 0)


def pairs(operator, queries, supports, neighbours):
    """(i, [(j, offset), ...]) of every query."""
    for i, row in enumerate(neighbours):
        found = [int(j) for j in row if j < len(supports)]
        yield i, [(j, (supports[j] - queries[i]) / operator.radius) for j in found]


def mean_of(terms, channels):
    return sum(terms, np.zeros(channels)) / max(len(terms), 1)


def pospool(op, queries, supports, neighbours, f):
    w, c = weights(op), f.shape[1]
    out = []
    for _, near in pairs(op, queries, supports, neighbours):
        terms = [np.array([d[k % 3] * f[j, k] for k in range(c)]) for j, d in near]
        out.append(relu(batch_norm(mean_of(terms, c), w)))
    return np.array(out)


def pospool_sincos(op, queries, supports, neighbours, f):
    w, c = weights(op), f.shape[1]
    count = c // 6
    out = []
    for _, near in pairs(op, queries, supports, neighbours):
        terms = []
        for j, d in near:
            embedding = []
            for axis in range(3):
                for function in (math.sin, math.cos):
                    for i in range(count):
                        embedding.append(function(100 * d[axis] / 1000 ** (i / count)))
            embedding += [d[k % 3] for k in range(c - 6 * count)]
            terms.append(np.array(embedding) * f[j])
        out.append(relu(batch_norm(mean_of(terms, c), w)))
    return np.array(out)


def adaptive_weight(op, queries, supports, neighbours, f):
    w, c = weights(op), f.shape[1]
    out = []
    for _, near in pairs(op, queries, supports, neighbours):
        terms = [(w["weight.weight"] @ d + w["weight.bias"]) * f[j] for j, d in near]
        out.append(relu(batch_norm(mean_of(terms, c), w)))
    return np.array(out)


def pointwise_mlp(op, queries, supports, neighbours, f):
    w = weights(op)
    out = []
    for _, near in pairs(op, queries, supports, neighbours):
        values = [np.zeros(op.out_channels)] if not near else []
        for j, d in near:
            centre = f[near[0][0]]
            z = w["linear.weight"] @ np.concatenate([d, centre, f[j] - centre])
            values.append(relu(batch_norm(z, w)))
        out.append(np.max(values, axis=0))
    return np.array(out)


def influence(offset, point, extent):
    return max(0.0, 1 - math.dist(offset, point) / extent)


def pseudo_grid(op, queries, supports, neighbours, f):
    w, c = weights(op), f.shape[1]
    out = []
    for _, near in pairs(op, queries, supports, neighbours):
        total = np.zeros(c)
        for g, point in enumerate(w["kernel_points"]):
            for j, d in near:
                total += w["weight"][g] * influence(d, point, op.extent) * f[j]
        out.append(relu(batch_norm(total, w)))
    return np.array(out)


def kpconv(op, queries, supports, neighbours, f):
    w = weights(op)
    out = []
    for _, near in pairs(op, queries, supports, neighbours):
        total = kernel_sum(near, f, w["convolution.kernel_points"], w["convolution.weight"], op)
        out.append(relu(batch_norm(total, w)))
    return np.array(out)


def kernel_sum(near, f, points, weight, op, scale=None):
    total = np.zeros(weight.shape[2])
    for g, point in enumerate(points):
        for j, d in near:
            h = influence(d, point, op.extent) * (1 if scale is None else scale[g])
            total += h * (f[j] @ weight[g])
    return total


def kpconv_deformable(op, queries, supports, neighbours, f):
    w = weights(op)
    rigid = w["convolution.kernel_points"]
    out = []
    for _, near in pairs(op, queries, supports, neighbours):
        shift = kernel_sum(near, f, rigid, w["offsets.weight"], op) + w["offsets.bias"]
        moved = rigid + op.extent * shift[: 3 * len(rigid)].reshape(-1, 3)
        scale = 2 / (1 + np.exp(-shift[3 * len(rigid) :])) if op.modulated else None
        total = kernel_sum(near, f, moved, w["convolution.weight"], op, scale)
        out.append(relu(batch_norm(total, w)))
    return np.array(out)


def polar(d):
    azimuth = math.atan2(d[1], d[0]) % (2 * math.pi)
    elevation = math.atan2(d[2], math.hypot(d[0], d[1])) + math.pi / 2
    return np.linalg.norm(d), azimuth, elevation


def hard_bins(d, bins):
    n, p, q = bins
    distance, azimuth, elevation = polar(d)
    if distance <= 0.01:
        return [(0, 1.0)]
    a = min(int(azimuth / (2 * math.pi) * n), n - 1)
    e = min(int(elevation / math.pi * p), p - 1)
    r = min(int(distance * q), q - 1)
    return [(r * p * n + e * n + a + 1, 1.0)]


def fuzzy_bins(d, bins):
    n, p, q = bins
    distance, azimuth, elevation = polar(d)
    a = min(int(azimuth / (2 * math.pi) * n), n - 1)
    e = min(int(elevation / math.pi * p), p - 1)
    r = min(int(distance * q), q - 1)
    place = elevation / math.pi * p - e
    beta = abs(place - 0.5)
    other = max(e - 1, 0) if place < 0.5 else min(e + 1, p - 1)
    own = max(0.0, 1 - distance)
    groups = [(0, own)]
    groups.append((r * p * n + e * n + a + 1, (1 - own) * (1 - beta)))
    groups.append((r * p * n + other * n + a + 1, (1 - own) * beta))
    return groups


def spherical(op, queries, supports, neighbours, f, bins=hard_bins):
    w, c = weights(op), f.shape[1]
    out = []
    for _, near in pairs(op, queries, supports, neighbours):
        total = np.zeros(op.multiplier * c)
        for j, d in near:
            for group, score in bins(d, op.bins):
                total += score * w["weight"][group] * np.concatenate([f[j]] * op.multiplier)
        u = w["pointwise.weight"] @ (total / max(len(near), 1)) + w["pointwise.bias"]
        out.append(batch_norm(np.where(u > 0, u, np.exp(np.minimum(u, 0)) - 1), w))
    return np.array(out)


def spherical_fuzzy(op, queries, supports, neighbours, f):
    return spherical(op, queries, supports, neighbours, f, fuzzy_bins)


def softmax(x):
    return np.exp(x - x.max()) / np.exp(x - x.max()).sum()


def pair_dense(x, w, name):
    """A dense block of SALA's perceptrons, or without norm a linear map and ReLU."""
    y = w[f"{name}.weight"] @ x
    known = f"{name}.norm.weight" in w
    return relu(batch_norm(y, w, f"{name}.norm") if known else y + w[f"{name}.bias"])


def sala(op, queries, supports, neighbours, f):
    w, r = weights(op), op.position_channels
    c = op.out_channels
    out = []
    for _, near in pairs(op, queries, supports, neighbours):
        per_group = [[] for _ in range(op.groups)]
        for j, d in near:
            lifted = pair_dense(d, w, "lift")
            hidden = pair_dense(lifted, w, "hidden")
            scores = w["score.weight"] @ hidden + w["score.bias"]
            scores = softmax(scores * np.exp(w.get("sharpness", 0)))
            if op.assignment == "hard":
                scores = np.eye(op.groups)[scores.argmax()]
            elif op.assignment == "none":
                scores = np.ones(op.groups)
            z = w["weight"] @ np.concatenate([lifted[:r], f[j]])
            if op.norm_placement == "neighbour":
                z = relu(batch_norm(z, w))
            for g in range(op.groups):
                per_group[g].append(scores[g] * z[g * c : (g + 1) * c])
        total = sum(reduced(np.array(y), op.reduction) for y in per_group) if near else np.zeros(c)
        if op.centre is not None and near:
            total = total + w["centre.weight"] @ f[near[0][0]]
        out.append(relu(batch_norm(total, w)) if op.norm_placement == "point" else total)
    return np.array(out)


def reduced(y, how):
    """Over the neighbours: (neighbours, C) -> (C,)."""
    mixed = y.max(axis=0)
    mixed[y.shape[1] // 2 :] = y.mean(axis=0)[y.shape[1] // 2 :]
    return {"max": y.max(axis=0), "sum": y.sum(axis=0), "mean": y.mean(axis=0), "half": mixed}[how]


def rows(module, x):
    """A `Rows` stack of `SALAG4`."""
    w = weights(module)
    for i, layer in enumerate(module):
        if hasattr(layer, "in_features"):
            x = w[f"{i}.weight"] @ x + w.get(f"{i}.bias", 0)
        elif hasattr(layer, "running_mean"):
            x = batch_norm(x, w, str(i))
        else:
            x = relu(x)
    return x


def sala_g4(op, queries, supports, neighbours, f):
    out = []
    for _, near in pairs(op, queries, supports, neighbours):
        total = np.zeros(op.out_channels)
        for g, group in enumerate(op.groups):
            values = [np.zeros(op.out_channels)] if not near else []
            for j, d in near:
                lifted = rows(op.lift, d)
                h = softmax(rows(op.score, lifted))
                values.append(h[g] * rows(group, np.concatenate([lifted, f[j]])))
            total += np.max(values, axis=0)
        out.append(total)
    return np.array(out)


def elu(x):
    return np.where(x > 0, x, np.exp(np.minimum(x, 0)) - 1)


def elu_norm(x, w, name):
    """PointCNN's dense layer: linear map, ELU, batch norm."""
    return batch_norm(elu(w[f"{name}.0.weight"] @ x), w, f"{name}.2")


def xconv(op, queries, supports, neighbours, f):
    w, k = weights(op), op.points
    out = []
    for i, row in enumerate(neighbours):
        if row[0] == len(supports):
            out.append(np.zeros(op.out_channels))
            continue
        near = []
        for n in range(k):
            column = n * op.dilation
            there = column < len(row) and row[column] < len(supports)
            near.append(row[column] if there else row[0])
        place = [(supports[j] - queries[i]) / op.radius for j in near]

        x = elu_norm(np.concatenate(place), w, "transform").reshape(k, k)
        for layer, activation in (("1", elu), ("2", lambda value: value)):
            y = np.zeros((k, k))
            for old in range(k):
                for new in range(k):
                    for n in range(k):
                        y[old, new] += x[n, old] * w[f"mix{layer}"][n, old, new]
            x = batch_norm(activation(y).ravel(), w, f"norm{layer}").reshape(k, k)

        lifted = [elu_norm(elu_norm(d, w, "lift.0"), w, "lift.1") for d in place]
        star = [np.concatenate([r, f[j]]) for r, j in zip(lifted, near, strict=True)]
        wide, multiplier, _ = w["depthwise"].shape
        depthwise = np.zeros((wide, multiplier))
        for a in range(k):
            mixed = sum(x[a, b] * star[b] for b in range(k))
            for q in range(multiplier):
                depthwise[:, q] += w["depthwise"][:, q, a] * mixed
        out.append(elu_norm(depthwise.ravel(), w, "pointwise"))
    return np.array(out)


def elu_rows(module, x):
    """A `Rows` stack with ELU."""
    w = weights(module)
    for layer in range(0, len(module), 3):
        x = elu(batch_norm(w[f"{layer}.weight"] @ x, w, str(layer + 1)))
    return x


def attended(attention, offset, near, own):
    """Σ_j a_ij ∘ [e_ij, f_j] of one query: its neighbours' offsets and features."""
    scores, values = [], []
    for d, feature in zip(offset, near, strict=True):
        edge = elu_rows(attention.edge, d)
        difference = elu_rows(attention.difference, feature - own)
        hidden = elu_rows(attention.merge, np.concatenate([edge, difference]))
        scores.append(weights(attention.score)["weight"] @ hidden)
        values.append(np.concatenate([edge, feature]))
    total = np.zeros(len(values[0]))
    for channel in range(len(total)):
        share = softmax(np.array([score[channel] for score in scores]))
        for j, value in enumerate(values):
            total[channel] += share[j] * value[channel]
    return total


def graph_attention(op, queries, supports, neighbours, f):
    out = []
    for _, near in pairs(op, queries, supports, neighbours):
        if not near:
            out.append(np.zeros(op.out_channels))
            continue
        own = f[near[0][0]]
        u = attended(op.attention, [d for _, d in near], [f[j] for j, _ in near], own)
        out.append(elu_rows(op.update, np.concatenate([own, u])))
    return np.array(out)
