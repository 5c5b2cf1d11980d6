// A tile: some hundreds of (query, support) pairs, and what the position perceptrons make of them.
//
// Lanes are pairs here, so the small perceptrons run at full vector width whatever their own
// widths and however ragged the neighbourhoods are.
#pragma once

#include "aggregation/problem.h"
#include "aggregation/simd.h"

namespace salanet::SALANET_ISA {

constexpr int64_t round_up(int64_t n, int64_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

struct Tile {
  int64_t capacity;  // a multiple of W
  int64_t count;     // pairs in the tile
  int32_t* query;
  int32_t* support;
  int32_t* slot;  // the pair's column in `neighbours`
  float* offset;  // (3, capacity): (p_j - q_i) / radius
  float* r;       // (R, capacity)
  float* a;       // (H, capacity)
  float* h;       // (capacity, S), and W readable floats beyond

  Tile(const Problem& problem, int64_t pairs, Scratch& scratch)
      : capacity(round_up(pairs, W)), count(0) {
    query = scratch.take<int32_t>(capacity);
    support = scratch.take<int32_t>(capacity);
    slot = scratch.take<int32_t>(capacity);
    offset = scratch.take<float>(3 * capacity);
    r = scratch.take<float>(problem.R * capacity);
    a = scratch.take<float>(problem.H * capacity);
    h = scratch.take<float>(capacity * problem.S + W);
  }

  // Without scores every pair belongs to every group. Once per scratch memory.
  void initialise(const Problem& problem) {
    for (int64_t k = 0; k < capacity * problem.S + W; ++k) h[k] = 1.0f;
  }

  int64_t vectors() const { return (count + W - 1) / W; }

  void add(int64_t i, int32_t j, int64_t k) {
    query[count] = static_cast<int32_t>(i);
    support[count] = j;
    slot[count] = static_cast<int32_t>(k);
    ++count;
  }

  // Lanes past the last pair get zeros.
  void measure_offsets(const Problem& problem) {
    const float scale = problem.inverse_radius;
    float *x = offset, *y = offset + capacity, *z = offset + 2 * capacity;
    for (int64_t p = 0; p < count; ++p) {
      const float* from = problem.queries + 3 * static_cast<int64_t>(query[p]);
      const float* to = problem.supports + 3 * static_cast<int64_t>(support[p]);
      x[p] = (to[0] - from[0]) * scale;
      y[p] = (to[1] - from[1]) * scale;
      z[p] = (to[2] - from[2]) * scale;
    }
    for (int64_t p = count; p < vectors() * W; ++p) x[p] = y[p] = z[p] = 0.0f;
  }
};

// r = relu(lift_w offset + lift_b), a = relu(hidden_w r + hidden_b), h = softmax(score_w a + score_b)
// for every pair of the tile. FR and FH are R and H where they are known at compile time, else 0.
template <int FR, int FH>
void run_perceptrons(const Problem& problem, Tile& tile) {
  const int R = FR ? FR : problem.R, H = FH ? FH : problem.H, S = problem.S;
  const int64_t capacity = tile.capacity;
  for (int64_t p = 0; p < tile.count; p += W) {
    const Vec x = load(tile.offset + p), y = load(tile.offset + capacity + p),
              z = load(tile.offset + 2 * capacity + p);
    Vec r[FR ? FR : kMaxLifted], a[FH ? FH : kMaxHidden];
    for (int q = 0; q < R; ++q) {
      const float* w = problem.lift_w + 3 * q;
      r[q] = max(x * w[0] + (y * w[1] + (z * w[2] + problem.lift_b[q])), Vec{});
      store(tile.r + q * capacity + p, r[q]);
    }
    if (!problem.scores()) continue;
    for (int k = 0; k < H; ++k) {
      const float* w = problem.hidden_w + R * k;
      Vec even = splat(problem.hidden_b[k]), odd{};
      int q = 0;
      for (; q + 1 < R; q += 2) {
        even += r[q] * w[q];
        odd += r[q + 1] * w[q + 1];
      }
      if (q < R) even += r[q] * w[q];
      a[k] = max(even + odd, Vec{});
      store(tile.a + k * capacity + p, a[k]);
    }

    Vec score[kMaxGroups];
    Vec highest = splat(-__builtin_inff());
    for (int g = 0; g < S; ++g) {
      score[g] = splat(problem.score_b[g]);
      for (int k = 0; k < H; ++k) score[g] += a[k] * problem.score_w[H * g + k];
      highest = max(highest, score[g]);
    }
    if (problem.assignment == Assignment::soft) {
      Vec total{};
      for (int g = 0; g < S; ++g) total += score[g] = exp_negative(score[g] - highest);
      const Vec scale = 1.0f / total;
      for (int g = 0; g < S; ++g) score[g] *= scale;
    } else {
      IVec taken{};  // only the first of equal scores wins
      for (int g = 0; g < S; ++g) {
        const IVec wins = (score[g] == highest) & ~taken;
        taken |= wins;
        score[g] = where(wins, splat(1.0f), Vec{});
      }
    }
    for (int g = 0; g < S; ++g) {
      float weight[W];
      store(weight, score[g]);
      for (int lane = 0; lane < W; ++lane) tile.h[(p + lane) * S + g] = weight[lane];
    }
  }
}

// Fills r, a and h as far as the problem needs them.
inline void locate(const Problem& problem, Tile& tile) {
  if (!problem.lifts) return;
  tile.measure_offsets(problem);
  if (problem.R == 8 && problem.H == 8)
    run_perceptrons<8, 8>(problem, tile);
  else
    run_perceptrons<0, 0>(problem, tile);
}

}  // namespace salanet::SALANET_ISA
