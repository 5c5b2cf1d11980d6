// From the gradients of r and h at every pair of a tile to those of the position perceptrons.
#pragma once

#include "aggregation/tile.h"

namespace salanet::SALANET_ISA {

struct TileGradients {
  float* r;      // (R, capacity)
  float* h;      // (capacity, S)
  float* a;      // (H, capacity)
  float* score;  // (S, capacity)

  TileGradients(const Problem& problem, const Tile& tile, Scratch& scratch) {
    r = scratch.take<float>(problem.R * tile.capacity);
    h = scratch.take<float>(tile.capacity * problem.S);
    a = scratch.take<float>(problem.H * tile.capacity);
    score = scratch.take<float>(problem.S * tile.capacity);
  }
};

// weight (outs, ins) += out · inᵀ and bias (outs) += out · 1, both matrices (rows, capacity).
template <int FIns>
void accumulate(const Tile& tile, const float* out, int outs, const float* in, int any_ins,
                float* weight, float* bias) {
  const int ins = FIns ? FIns : any_ins;
  for (int o = 0; o < outs; ++o) {
    Vec total{}, products[FIns ? FIns : kMaxHidden]{};
    for (int64_t p = 0; p < tile.count; p += W) {
      const Vec grad = load(out + o * tile.capacity + p);
      total += grad;
      for (int k = 0; k < ins; ++k) products[k] += grad * load(in + k * tile.capacity + p);
    }
    bias[o] += sum(total);
    for (int k = 0; k < ins; ++k) weight[o * ins + k] += sum(products[k]);
  }
}

// score = h (dh - Σ h dh), the gradient through the softmax. Lanes past the last pair get 0.
inline void softmax_backward(const Problem& problem, const Tile& tile, TileGradients& grad) {
  const int S = problem.S;
  for (int64_t p = 0; p < tile.vectors() * W; ++p) {
    const float *h = tile.h + p * S, *dh = grad.h + p * S;
    float mean = 0;
    for (int g = 0; g < S; ++g) mean += h[g] * dh[g];
    for (int g = 0; g < S; ++g)
      grad.score[g * tile.capacity + p] = p < tile.count ? h[g] * (dh[g] - mean) : 0.0f;
  }
}

// Zeroes `grad` where the relu that made `value` was closed.
inline Vec open(Vec grad, const float* value) { return where(load(value) > 0.0f, grad, Vec{}); }

template <int FR, int FH>
void perceptrons_backward(const Problem& problem, const Tile& tile, TileGradients& grad,
                          const GradientLayout& at, float* partial) {
  const int R = FR ? FR : problem.R, H = FH ? FH : problem.H, S = problem.S;
  const int64_t capacity = tile.capacity;
  for (int q = 0; q < R; ++q)
    for (int64_t p = tile.count; p < tile.vectors() * W; ++p) grad.r[q * capacity + p] = 0.0f;

  if (problem.scores() && problem.assignment == Assignment::soft) {
    softmax_backward(problem, tile, grad);
    for (int64_t p = 0; p < tile.count; p += W) {
      Vec da[FH ? FH : kMaxHidden];
      for (int k = 0; k < H; ++k) {
        Vec total{};
        for (int g = 0; g < S; ++g)
          total += load(grad.score + g * capacity + p) * problem.score_w[g * H + k];
        da[k] = open(total, tile.a + k * capacity + p);
        store(grad.a + k * capacity + p, da[k]);
      }
      for (int q = 0; q < R; ++q) {
        Vec total = load(grad.r + q * capacity + p);
        for (int k = 0; k < H; ++k) total += da[k] * problem.hidden_w[k * R + q];
        store(grad.r + q * capacity + p, total);
      }
    }
    accumulate<FH>(tile, grad.score, S, tile.a, H, partial + at.score_w, partial + at.score_b);
    accumulate<FR>(tile, grad.a, H, tile.r, R, partial + at.hidden_w, partial + at.hidden_b);
  }

  for (int q = 0; q < R; ++q)
    for (int64_t p = 0; p < tile.count; p += W) {
      float* dr = grad.r + q * capacity + p;
      store(dr, open(load(dr), tile.r + q * capacity + p));
    }
  accumulate<3>(tile, grad.r, R, tile.offset, 3, partial + at.lift_w, partial + at.lift_b);
}

// Adds the tile's share to the perceptrons' places in `partial`; changes `grad` on the way.
inline void locate_backward(const Problem& problem, const Tile& tile, TileGradients& grad,
                            const GradientLayout& at, float* partial) {
  if (!problem.lifts) return;
  if (problem.R == 8 && problem.H == 8)
    perceptrons_backward<8, 8>(problem, tile, grad, at, partial);
  else
    perceptrons_backward<0, 0>(problem, tile, grad, at, partial);
}

}  // namespace salanet::SALANET_ISA
